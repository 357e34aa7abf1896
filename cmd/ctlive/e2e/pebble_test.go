package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// authority is a certificate authority of the test's own: Pebble, which finds
// every name at 127.0.0.1, behind a front that counts what is asked of it.
type authority struct {
	directory string         // ACME URL
	root      string         // PEM file: who signed the directory's own certificate
	pool      *x509.CertPool // who signs the certificates it issues

	accounts, orders atomic.Int64 // made
	posts            atomic.Int64 // all there were: no account and no order can be had without one
	down             atomic.Bool  // connections break as soon as something is asked
	mute             atomic.Bool  // nothing is answered, connections stay
	asked            atomic.Int64 // requests
	pause            sync.RWMutex // while it is locked, requests wait
}

// startAuthority starts an authority that validates names on the ports given and
// issues certificates for lifetime, but none for blocked.test.
func startAuthority(t *testing.T, httpPort, tlsPort int, lifetime time.Duration) *authority {
	t.Helper()
	dir, certs := pebbleCommands(t)
	dns, listen, management := reserveAddr(t), reserveAddr(t), reserveAddr(t)
	dnsControl := reserveAddr(t)
	start(t, dnsControl, filepath.Join(dir, "pebble-challtestsrv"), "-dnsserver", dns, "-management", dnsControl,
		"-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "")

	config := filepath.Join(t.TempDir(), "pebble.json")
	writeJSON(t, config, map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management,
		"certificate": certs + "/localhost/cert.pem", "privateKey": certs + "/localhost/key.pem",
		"httpPort": httpPort, "tlsPort": tlsPort, "keyAlgorithm": "ecdsa",
		"retryAfter":      map[string]int{"authz": 1, "order": 1},
		"domainBlocklist": []string{"blocked.test"},
		"profiles":        map[string]any{"default": map[string]any{"description": "default", "validityPeriod": int(lifetime.Seconds())}},
	}})
	// Without a rejected nonce now and then, one POST is one request of the client.
	start(t, management, "env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0", "PEBBLE_WFE_NONCEREJECT=0",
		filepath.Join(dir, "pebble"), "-config", config, "-dnsserver", dns)
	awaitDial(t, listen)

	a := &authority{pool: x509.NewCertPool()}
	trust := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: readPool(t, certs+"/pebble.minica.pem")}}
	t.Cleanup(trust.CloseIdleConnections)
	a.pool.AppendCertsFromPEM(issuingRoot(t, trust, management))
	front := httptest.NewTLSServer(a.front(listen, trust))
	t.Cleanup(front.Close)
	a.directory = front.URL + "/dir"
	a.root = filepath.Join(t.TempDir(), "root.pem")
	writePEM(t, a.root, "CERTIFICATE", front.Certificate().Raw)
	return a
}

// front passes requests on to Pebble and counts. Pebble builds its URLs from the
// Host it sees and checks the signed ones against it.
func (a *authority) front(pebble string, trust http.RoundTripper) http.Handler {
	target := &url.URL{Scheme: "https", Host: pebble}
	pass := &httputil.ReverseProxy{
		Transport: trust,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(res *http.Response) error {
			created := res.StatusCode == http.StatusCreated
			switch path := res.Request.URL.Path; {
			case created && path == "/sign-me-up":
				a.accounts.Add(1)
			case created && path == "/order-plz":
				a.orders.Add(1)
			}
			return nil
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		a.pause.RLock()
		a.pause.RUnlock()
		if a.down.Load() {
			panic(http.ErrAbortHandler)
		}
		if a.mute.Load() {
			<-r.Context().Done()
			return
		}
		if r.Method == http.MethodPost {
			a.posts.Add(1)
		}
		pass.ServeHTTP(w, r)
	})
}

// issuingRoot asks Pebble's management for the root of what it issues, in PEM.
func issuingRoot(t *testing.T, trust http.RoundTripper, management string) []byte {
	t.Helper()
	res, err := (&http.Client{Transport: trust}).Get("https://" + management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	root, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

var buildPebble = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Dir(binary) // TestMain removes it
	out, err := exec.Command("go", "build", "-o", dir+"/", "github.com/letsencrypt/pebble/v2/cmd/pebble",
		"github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build pebble: %w: %s", err, out)
	}
	return dir, err
})

// pebbleCommands returns the folder with Pebble's commands, built once, and the
// one with the certificates of its own listeners.
func pebbleCommands(t *testing.T) (dir, certs string) {
	t.Helper()
	dir, err := buildPebble()
	if err != nil {
		t.Fatal(err)
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/letsencrypt/pebble/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	return dir, strings.TrimSpace(string(module)) + "/test/certs"
}

// ports counts those handed out; processes that run at the same time begin at
// different ones.
var ports atomic.Int64

// reservePort returns a port that is free for TCP and UDP. It lies below those
// that the system gives to whoever asks for any, so it stays free until its owner
// starts, and while its owner restarts.
func reservePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 20000 + int(int64(os.Getpid())*53+ports.Add(1))%12000
		addr := loopback(port)
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", addr)
		tcp.Close()
		if err != nil {
			continue
		}
		udp.Close()
		return port
	}
	t.Fatal("no free port")
	return 0
}

func reserveAddr(t *testing.T) string { return loopback(reservePort(t)) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func awaitDial(t *testing.T, addr string) {
	t.Helper()
	await(t, "a listener at "+addr, func() bool {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

// await waits until it happens, for up to 20 s.
func await(t *testing.T, what string, happens func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if happens() {
			return
		}
	}
	t.Fatalf("no %s within 20 s", what)
}

func writeJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writePEM replaces the file whole, as a careful renewal script does.
func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(file+".new", block, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func readPool(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		t.Fatalf("no certificate in %s", file)
	}
	return pool
}
