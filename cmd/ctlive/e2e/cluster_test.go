package e2e

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestCluster walks through the losses of configs/cluster/try, which counts in the end.
func TestCluster(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "../../../configs/cluster/try")
	cmd.Env = append(os.Environ(), "CLUSTER_PORT="+strconv.Itoa(20_000+os.Getpid()%200*60))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends what it has started
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 3 {
		t.Skipf("SKIP: %s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
