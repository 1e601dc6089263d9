//go:build !linux

package faults

import "errors"

func mountSmall(string, int) (func(), error) {
	return nil, errors.New("only on Linux")
}
