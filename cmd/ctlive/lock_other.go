//go:build !unix

package main

import "os"

// lockAlone opens the file at path. Nothing is locked here: run one ctlive per
// folder.
func lockAlone(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
