package wire

import (
	"encoding/gob"
	"net"
	"sync"
)

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
