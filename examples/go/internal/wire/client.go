package wire

import (
	"encoding/gob"
	"net"
	"sync"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// Order is "dispatch attempt ID". The client gives it again, with the SAME id, to every
// restarted node until it knows the result: the node must tell a repeat from a new order.
type Order struct {
	ID          uint64
	AmountMsat  uint64
	CLTVExpiry  uint32
	PaymentHash [32]byte
	// RecordedBelow: the client has every result below this id on its own record.
	RecordedBelow uint64
}

// ReportKind is what a report says.
type ReportKind uint8

// The kinds of report.
const (
	// ReportReady: recovered and about to take orders. Epoch is the store's.
	ReportReady ReportKind = iota + 1
	// ReportInit: Status is what lnkeep answered to the init of ID.
	ReportInit
	// ReportResult: the result of ID is durable.
	ReportResult
	// ReportEvent: the store's event log has the result of ID, under the number Sequence.
	ReportEvent
	// ReportStats: so many commits and operations since this open.
	ReportStats
)

// Report is what the node tells its client, always after lnkeep answered and never before.
type Report struct {
	Kind   ReportKind
	ID     uint64
	Status lnkeep.Status
	// Settled says which result: a settle with its preimage, or a failure.
	Settled  bool
	Preimage [32]byte
	// Local: a failure of this node itself; the HTLC did not leave.
	Local      bool
	Epoch      uint64
	Sequence   uint64
	Commits    uint64
	Operations uint64
}

// Client is one end of the connection between the node and its client, which sends values of
// type Out and receives values of type In.
type Client[In, Out any] struct {
	conn    *net.UnixConn
	decoder *gob.Decoder

	mu      sync.Mutex
	encoder *gob.Encoder
}

// NewClient talks over a connection, which it owns from then on.
func NewClient[In, Out any](conn *net.UnixConn) *Client[In, Out] {
	return &Client[In, Out]{
		conn: conn, decoder: gob.NewDecoder(conn), encoder: gob.NewEncoder(conn),
	}
}

// Send sends one value and waits while the other end is slow. Safe for concurrent use.
func (c *Client[In, Out]) Send(value Out) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.encoder.Encode(value)
}

// Receive waits for the next value; io.EOF when the other end sends no more. For one goroutine.
func (c *Client[In, Out]) Receive() (value In, err error) {
	err = c.decoder.Decode(&value)
	return value, err
}

// CloseWrite tells the other end that no more values come.
func (c *Client[In, Out]) CloseWrite() error { return c.conn.CloseWrite() }

// Close ends the connection; a Receive that waits answers an error.
func (c *Client[In, Out]) Close() error { return c.conn.Close() }
