package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNothingRawOnDisk: with addresses truncated and user ids replaced, neither
// stands anywhere in the data folder, the folder for temporary files or the log,
// however the proxy ends (E8). With both kept the same search finds them.
func TestNothingRawOnDisk(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules []string
		end   syscall.Signal
		found bool
	}{
		{"hidden, SIGKILL", []string{"ip: truncate", "user_ids: pseudonym"}, syscall.SIGKILL, false},
		{"hidden, SIGTERM", []string{"ip: truncate", "user_ids: pseudonym"}, syscall.SIGTERM, false},
		{"address dropped, SIGKILL", []string{"ip: drop", "user_ids: pseudonym"}, syscall.SIGKILL, false},
		{"kept, SIGKILL", []string{"ip: keep", "user_ids: keep"}, syscall.SIGKILL, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, temp := t.TempDir(), t.TempDir()
			t.Setenv("TMPDIR", temp)
			p := runProxy(t, "trusted_proxies: [127.0.0.0/8]\n"+storeYAML("127.0.0.1:0", "http://127.0.0.1:9", data, tt.rules...))
			for round := range 20 {
				for _, visitor := range strangers {
					visitor.speak(t, p.url, round)
				}
			}
			live := hits(t, strangers, data, temp)
			p.cmd.Process.Signal(tt.end)
			p.cmd.Wait()
			log := filepath.Join(temp, "log")
			if err := os.WriteFile(log, []byte(p.log.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			found := append(live, hits(t, strangers, data, temp)...)
			if !tt.found && len(found) > 0 {
				t.Errorf("found:\n%s", strings.Join(found, "\n"))
			}
			if text := strings.Join(found, "\n"); tt.found && (!strings.Contains(text, strangers[0].address) || !strings.Contains(text, strangers[0].id)) {
				t.Errorf("the search finds only:\n%s", text)
			}
			if events := stored(t, data); len(events) < 100 {
				t.Errorf("%d events are stored", len(events))
			}
		})
	}
}

// stranger is a visitor whose address and id occur nowhere else.
type stranger struct{ address, id string }

var strangers = []stranger{
	{"203.0.113.147", "user-7f3c9b21aa55"},
	{"198.51.100.203", "7180339887498948"},
	{"2001:db8:77:4a1b:9c2d:5e6f:71a8:3b9c", "ann.example+chat@example.org"},
}

// speak sends what events and what only looks like them, all of it with the
// visitor's id.
func (s *stranger) speak(t *testing.T, url string, round int) {
	t.Helper()
	n := 0
	event := func(members string) string {
		n++
		return fmt.Sprintf(`{"id":"%s-%d-%d","seq":%d,"at":1,%s}`, hex.EncodeToString([]byte(s.address))[:12], round, n, n, members)
	}
	envelope := func(events ...string) string {
		return `{"v":1,"page":"p","session":"s","url":"https://a.test/","events":[` + strings.Join(events, ",") + `]}`
	}
	good := envelope(
		event(`"type":"ChatStarted","object":{"chatID":"c1","userID":"`+s.id+`"}`),
		event(`"type":"ChatOnline","object":{"chatID":"c1","users":["`+s.id+`","operator"]}`),
		event(`"type":"Loaded","object":{"elementID":"e","userID":"`+s.id+`","more":{"user_id":"`+s.id+`"}},"userID":"`+s.id+`"`),
		event(`"type":"Unheard","object":{"user":{"id":"`+s.id+`"}}`),
		event(`"type":"ChatStarted","object":{"userID":7180339887498948}`),
		event(`"type":"ChatStarted","object":{"userID":{"`+s.id+`":["`+s.id+`"]}}`),
	)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(good))
	z.Close()
	object := `"object":{"userID":"` + s.id + `"}`
	for _, message := range []struct {
		body   string
		header []string
		status int
	}{
		{good, nil, 200},
		{zipped.String(), []string{"Content-Encoding", "gzip"}, 200},
		{`{"name":"CTLiveEvent","type":"ChatStarted","object":{"userID":"` + s.id + `"}}`, nil, 200},
		{envelope(`{"id":"x","type":7,`+object+`}`, `["`+s.id+`"]`, `"`+s.id+`"`), nil, 200}, // each rejected
		{good[:len(good)-2], nil, 400},
		{`{"events":{` + object + `}}`, nil, 400},
		{"\xff" + good, nil, 400},
		{zipped.String()[:zipped.Len()/2], []string{"Content-Encoding", "gzip"}, 400},
		{"not gzip: " + s.id, []string{"Content-Encoding", "gzip"}, 400},
		{envelope(event(`"type":"Loaded","pad":"` + strings.Repeat(s.id, 5000) + `",` + object)), nil, 413},
		{"userID=" + s.id, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{good, []string{"Content-Type", "application/" + s.id}, 415},
		{good, []string{"Content-Encoding", s.id}, 415},
		{good, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{good, []string{"Sec-GPC", "1"}, 200},
	} {
		a, err := deliver(url, message.body, append([]string{"X-Forwarded-For", s.address}, message.header...)...)
		if err != nil || a.status != message.status {
			t.Errorf("%.60q %q: %v, %v; want %d", message.body, message.header, a, err, message.status)
		}
	}
	get(t, url+"/", "X-Forwarded-For", s.address)
}

// hits names what is found of the visitors, as it is or encoded, in the files in
// the folders.
func hits(t *testing.T, visitors []stranger, folders ...string) (found []string) {
	t.Helper()
	for _, s := range visitors {
		for _, word := range []string{s.address, s.id} {
			for form, bytes := range formsOf(word) {
				for _, file := range grep(t, bytes, folders...) {
					found = append(found, word+" ("+form+") in "+file)
				}
			}
		}
	}
	return found
}

// formsOf returns what a word may look like in a file.
func formsOf(word string) map[string][]byte {
	forms := map[string][]byte{
		"plain":  []byte(word),
		"hex":    []byte(hex.EncodeToString([]byte(word))),
		"base64": []byte(base64.RawStdEncoding.EncodeToString([]byte(word))),
	}
	if addr, err := netip.ParseAddr(word); err == nil && addr.Is6() {
		forms["binary"] = addr.AsSlice()
		forms["in full"] = []byte(addr.StringExpanded())
	}
	return forms
}

// grep names the files in the folders in which word occurs. Where a file goes while
// it looks, as the figures do when they are built anew, it looks at all of them again.
func grep(t *testing.T, word []byte, folders ...string) (files []string) {
	t.Helper()
	for range 100 {
		var err error
		if files, err = search(word, folders); err == nil {
			return files
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the files never stay")
	return nil
}

func search(word []byte, folders []string) (files []string, err error) {
	for _, folder := range folders {
		err = errors.Join(err, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			if bytes.Contains(content, word) {
				files = append(files, filepath.Base(path))
			}
			return err
		}))
	}
	return files, err
}
