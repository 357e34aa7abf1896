package main

import (
	"fmt"
	"strings"
	"testing"
)

const twoStored = `{"results":[{"id":"a","verdict":"stored","reason":"","flags":[]},{"id":"b","verdict":"stored","reason":"","flags":["skew"]}]}`

func response(status, fields, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\nDate: Sun, 22 Nov 2026 22:00:00 GMT\r\n\r\n%s", status, fields, len(body), body)
}

// However the network cuts a response, it is parsed when it is whole and not before.
func TestParseAnswer(t *testing.T) {
	tests := map[string]struct {
		raw  string
		want answer
	}{
		"stored":        {response("200 OK", "", twoStored), answer{status: 200, stored: 2, unflagged: 1}},
		"refused":       {response("503 Service Unavailable", "Retry-After: 5\r\n", `{"reason":"store"}`), answer{status: 503}},
		"empty":         {response("429 Too Many Requests", "", ""), answer{status: 429}},
		"rejected":      {response("200 OK", "", `{"results":[{"verdict":"rejected","flags":[]}]}`), answer{status: 200, unflagged: 1}},
		"lower case":    {strings.ToLower(response("200 OK", "", twoStored)), answer{status: 200, stored: 2, unflagged: 1}},
		"verdict in id": {response("200 OK", "", `{"id":"\"verdict\":\"stored\""}`), answer{status: 200}},
		"last field":    {"HTTP/1.1 200 OK\r\nContent-Length:2\r\n\r\n{}", answer{status: 200}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			raw := test.raw
			if name == "lower case" {
				raw = "HTTP" + raw[len("http"):]
			}
			for cut := range len(raw) {
				if _, n, err := parseAnswer([]byte(raw[:cut])); n != 0 || err != nil {
					t.Fatalf("cut at %d: %d, %v", cut, n, err)
				}
			}
			for _, behind := range []string{"", "H", raw} {
				got, n, err := parseAnswer([]byte(raw + behind))
				if err != nil || n != len(raw) {
					t.Fatalf("with %d bytes behind it: %d, %v; want %d", len(behind), n, err, len(raw))
				}
				if got.status != test.want.status || got.stored != test.want.stored || got.unflagged != test.want.unflagged {
					t.Errorf("got %+v, want %+v", got, test.want)
				}
			}
		})
	}
}

func TestParseAnswerErrors(t *testing.T) {
	tests := map[string]string{
		"no HTTP":       "SSH-2.0-OpenSSH_10.0\r\n\r\n",
		"other version": "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"cut line":      "HTTP/1.1 20\r\n\r\n",
		"status":        "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
		"chunked":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"no digits":     "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
		"negative":      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"too long":      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		"endless head":  strings.Repeat("a", maxAnswer+1),
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			if a, n, err := parseAnswer([]byte(raw)); err == nil || n != 0 {
				t.Errorf("got %+v, %d, %v", a, n, err)
			}
		})
	}
}

func TestParseAnswerDoesNotAllocate(t *testing.T) {
	raw := []byte(response("200 OK", "", twoStored))
	if n := testing.AllocsPerRun(100, func() { parseAnswer(raw) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(response("200 OK", "", twoStored)))
	f.Add([]byte("HTTP/1.1 200\r\ncontent-length:\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, n, err := parseAnswer(raw)
		if n < 0 || n > len(raw) || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(raw), err)
		}
		if n > 0 && a.stored > len(a.body) {
			t.Fatalf("%+v", a)
		}
	})
}
