package wire

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// SocketPair is a connected pair: an end to keep, and one for a child process to inherit.
func SocketPair() (kept *net.UnixConn, inherited *os.File, err error) {
	// The lock keeps a process that is started meanwhile from inheriting either end: a dead
	// node must not look alive because somebody else holds its end.
	syscall.ForkLock.RLock()
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(ends[0])
		syscall.CloseOnExec(ends[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	inherited = os.NewFile(uintptr(ends[1]), "socket")
	kept, err = unixConn(os.NewFile(uintptr(ends[0]), "socket"))
	if err != nil {
		_ = inherited.Close()
		return nil, nil, err
	}
	return kept, inherited, nil
}

// Inherited is the connection that the parent passed as this descriptor.
func Inherited(descriptor uintptr) (*net.UnixConn, error) {
	return unixConn(os.NewFile(descriptor, "socket"))
}

// unixConn takes the file over.
func unixConn(file *os.File) (*net.UnixConn, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("descriptor %s is no unix socket", file.Name())
	}
	return unix, nil
}
