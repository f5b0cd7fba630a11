//go:build unix

package lnkeep

import "syscall"

// duplicate copies a descriptor that is not inherited by programs the host starts.
func duplicate(descriptor int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	copied, err := syscall.Dup(descriptor)
	if err == nil {
		syscall.CloseOnExec(copied)
	}
	return copied, err
}
