package lnkeep

import (
	"os"
	"syscall"
	"time"
)

// doorbell waits on a descriptor of the library in Go's own poller, without a thread. It polls a
// duplicate, since the library owns the original and may close it.
type doorbell struct {
	file *os.File
	conn syscall.RawConn
}

func newDoorbell(op string, descriptor int) (*doorbell, error) {
	duplicate, err := duplicate(descriptor)
	if err != nil {
		return nil, bellError(op, err)
	}
	file := os.NewFile(uintptr(duplicate), "lnkeep doorbell")
	conn, err := file.SyscallConn()
	if err == nil {
		// Fails if the poller did not take the descriptor: waiting would then be impossible.
		err = file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = file.Close()
		return nil, bellError(op, err)
	}
	return &doorbell{file: file, conn: conn}, nil
}

func bellError(op string, err error) *Error {
	e := refusal(op, StatusIO, "waiting on a doorbell: "+err.Error())
	e.cause = err
	return e
}

// wait calls try at once and after every ring until it reports true. An error says that the doorbell
// was closed. The call of the library inside try silences the bell before it looks, and the poller
// notes rings from before try on, so none is missed.
func (d *doorbell) wait(try func() bool) error {
	return d.conn.Read(func(uintptr) bool { return try() })
}

// waitReadable waits until the descriptor is readable, and leaves it so.
func (d *doorbell) waitReadable() error { return d.conn.Read(cReadable) }

// close makes wait return.
func (d *doorbell) close() { _ = d.file.Close() }
