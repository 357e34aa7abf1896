package collector

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestIPMode(t *testing.T) {
	tests := []struct {
		mode IPMode
		addr string
		want string
	}{
		{"", "192.0.2.77", "192.0.2.0"},
		{TruncateIP, "192.0.2.77", "192.0.2.0"},
		{TruncateIP, "::ffff:192.0.2.77", "192.0.2.0"},
		{TruncateIP, "2001:db8:1:2:3:4:5:6", "2001:db8:1::"},
		{TruncateIP, "fe80::1%eth0", "fe80::"},
		{"misspelt", "192.0.2.77", "192.0.2.0"},
		{KeepIP, "192.0.2.77", "192.0.2.77"},
		{KeepIP, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6"},
		{DropIP, "192.0.2.77", ""},
	}
	for _, test := range tests {
		if got := test.mode.store(netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("%q of %s: %q, want %q", test.mode, test.addr, got, test.want)
		}
	}
	if got := KeepIP.store(netip.Addr{}); got != "" {
		t.Errorf("no address: %q", got)
	}
}

func TestPeerAddr(t *testing.T) {
	for remote, want := range map[string]netip.Addr{
		"192.0.2.7:1234":     netip.MustParseAddr("192.0.2.7"),
		"[2001:db8::1]:1234": netip.MustParseAddr("2001:db8::1"),
		"@":                  {}, // a Unix socket
	} {
		if got := peerAddr(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%q: %v", remote, got)
		}
	}
}

// TestC19ObjectionIsRespected: nothing is stored of a visitor who objects, not even of what is no
// event, and all of it is counted.
func TestC19ObjectionIsRespected(t *testing.T) {
	for _, header := range []string{"Sec-GPC: 1", "DNT: 1"} {
		s := openStore(t, t.TempDir())
		c := New(s, Options{Now: func() time.Time { return testTime }})
		site := testSite
		site.GPC = true
		respects, ignores := c.Handler(site), c.Handler(testSite)

		a := sendText(t, respects, `{"v":1,"page":"p","seen":9,"refused":2,"dropped":1,"events":[`+loaded("a")+`,{"id":"b"}]}`, header)
		if want := []string{"rejected gpc", "rejected gpc"}; a.code != 200 || !slices.Equal(a.verdicts(), want) || a.Results[0].ID != "a" {
			t.Errorf("%s: %d %q", header, a.code, a.verdicts())
		}
		if a := sendText(t, respects, "nonsense", header); a.code != 400 || a.Reason != "bad_json" {
			t.Errorf("%s: nonsense: %d %q", header, a.code, a.Reason)
		}
		if n := len(allEvents(t, s)) + len(allRejects(t, s)) + count(t, s, "views"); n != 0 {
			t.Errorf("%s: %d rows", header, n)
		}
		if a := sendText(t, respects, batchOf(loaded("c")), strings.Replace(header, "1", "0", 1)); a.verdicts()[0] != "stored" {
			t.Errorf("no objection: %q", a.verdicts())
		}
		if a := sendText(t, ignores, batchOf(loaded("d")), header); a.verdicts()[0] != "stored" {
			t.Errorf("a site that ignores it: %q", a.verdicts())
		}
		waitForLosses(t, s, []Loss{{testSite.Name, "bad_json", 1}, {testSite.Name, "gpc", 2}})
	}
}

// TestC19ConsentIsRequired: what does not say that the visitor has agreed is not
// kept, whoever sends it.
func TestC19ConsentIsRequired(t *testing.T) {
	s := openStore(t, t.TempDir())
	site := testSite
	site.Consent = true
	h := New(s, Options{}).Handler(site)
	for _, body := range []string{
		batchOf(loaded("a")),
		`{"v":1,"consent":"true","events":[` + loaded("b") + `]}`,
		`{"name":"CTLiveEvent","type":"Loaded","object":{}}`,
	} {
		if a := sendText(t, h, body); a.code != 200 || !slices.Equal(a.verdicts(), []string{"rejected consent"}) {
			t.Errorf("%s: %d %q", body, a.code, a.verdicts())
		}
	}
	if a := sendText(t, h, "nonsense"); a.code != 400 {
		t.Errorf("nonsense: %d", a.code)
	}
	if n := len(allEvents(t, s)) + len(allRejects(t, s)); n != 0 {
		t.Errorf("%d rows", n)
	}
	if a := sendText(t, h, `{"v":1,"consent":true,"events":[`+loaded("c")+`]}`); a.verdicts()[0] != "stored" {
		t.Errorf("with consent: %q", a.verdicts())
	}
	waitForLosses(t, s, []Loss{{testSite.Name, "bad_json", 1}, {testSite.Name, "consent", 3}})
}

// waitForLosses fails the test unless the losses of testSite become those wanted.
func waitForLosses(t *testing.T, s *Store, want []Loss) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, err := s.Losses(t.Context(), testSite.Name)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("losses %v, want %v", got, want)
		}
	}
}
