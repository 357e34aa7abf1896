//go:build !linux

package pgtest

import (
	"fmt"
	"syscall"
)

func owner(string) (*syscall.SysProcAttr, error) {
	return nil, fmt.Errorf("%w: it is only started on Linux", errMissing)
}
