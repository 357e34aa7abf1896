package rival

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// packages are Debian's, by a file in each. Of Apache it is only the program: the package apache2
// would also start one.
var packages = map[string]string{
	"/usr/sbin/nginx":   "nginx-light",
	brotliModule:        "libnginx-mod-http-brotli-filter",
	"/usr/sbin/apache2": "apache2-bin",
	"/usr/sbin/haproxy": "haproxy",
}

// Install installs the servers that are missing. What cannot be installed is in the error; the others
// are there all the same.
func Install(ctx context.Context) error {
	var missing []string
	for file, name := range packages {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || !isRoot() {
		return fmt.Errorf("installing %v needs root and apt-get", missing)
	}
	if err := aptGet(ctx, "update", "-q"); err != nil {
		return err
	}
	var errs []error
	for _, name := range missing {
		errs = append(errs, aptGet(ctx, "install", "-qy", "--no-install-recommends", name))
	}
	return errors.Join(errs...)
}

func aptGet(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, "apt-get", args...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_OFFLINE=1") // systemctl then starts nothing
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %v: %w\n%s", args, err, out)
	}
	return nil
}
