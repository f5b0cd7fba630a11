//go:build !unix

package lnkeep

// duplicate has nothing to copy where the library does not run.
func duplicate(int) (int, error) { return 0, ErrNoCgo }
