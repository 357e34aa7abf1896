//go:build !unix

package collector

import "os"

// lockShared opens the lock file. Nothing is locked here: run one ctlive per data folder.
func lockShared(path string) (*os.File, error) {
	return os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
}

func lockAlone(*os.File) error { return nil }

func lockAgain(*os.File) error { return nil }
