// Package wire is how a node talks: to its peer in BOLT messages, which lnd's lnwire encodes
// and decodes, and to its client in orders and reports.
package wire

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/lightningnetwork/lnd/lnwire"
)

// protocolVersion is what lnwire's functions ask for; there is only one.
const protocolVersion = 0

// Peer is one end of the connection between two nodes. A message travels as BOLT 8 sends it,
// its length in two bytes and then the message, but in the clear. A message of which a kill
// left only a part has not been sent: the other end never sees it.
type Peer struct {
	conn   *net.UnixConn
	reader *bufio.Reader

	mu     sync.Mutex
	buffer bytes.Buffer
}

// NewPeer talks over a connection, which it owns from then on.
func NewPeer(conn *net.UnixConn) *Peer {
	return &Peer{conn: conn, reader: bufio.NewReader(conn)}
}

// Send sends one message and waits while the other end is slow. Safe for concurrent use.
func (p *Peer) Send(msg lnwire.Message) error {
	body, err := Encode(msg)
	if err != nil {
		return fmt.Errorf("encode %v: %w", msg.MsgType(), err)
	}
	return p.SendEncoded(body)
}

// SendEncoded sends a message that Encode has written.
func (p *Peer) SendEncoded(body []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buffer.Reset()
	p.buffer.Write(binary.BigEndian.AppendUint16(nil, uint16(len(body))))
	p.buffer.Write(body)
	_, err := p.conn.Write(p.buffer.Bytes())
	return err
}

// ErrMalformed: a whole message arrived and lnwire cannot read it.
var ErrMalformed = errors.New("malformed message")

// Receive waits for the next message; io.EOF or io.ErrUnexpectedEOF when the other end sends no
// more, ErrMalformed when it sent nonsense. For one goroutine.
func (p *Peer) Receive() (lnwire.Message, error) {
	var size [2]byte
	if _, err := io.ReadFull(p.reader, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(p.reader, body); err != nil {
		return nil, err
	}
	msg, err := Decode(body)
	if err != nil {
		// Not wrapped: of a message that is too short lnwire says io.EOF, too.
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return msg, nil
}

// Close ends the connection; a Receive that waits answers an error.
func (p *Peer) Close() error { return p.conn.Close() }

// Encode is a message as it travels: its type, then its fields.
func Encode(msg lnwire.Message) ([]byte, error) {
	var buffer bytes.Buffer
	if _, err := lnwire.WriteMessage(&buffer, msg, protocolVersion); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

// Decode reads one whole message; what follows its fields must be TLV records.
func Decode(body []byte) (lnwire.Message, error) {
	return lnwire.ReadMessage(bytes.NewReader(body), protocolVersion)
}

// ChannelID is the demo's one channel.
func ChannelID() lnwire.ChannelID { return sha256.Sum256([]byte("lnkeep demo channel")) }
