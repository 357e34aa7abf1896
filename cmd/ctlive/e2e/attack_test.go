package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The attack corpus: every input that an edge proxy must withstand (the rows of
// edge.md), sent as it stands to the built binary, with a recorder for an origin.
// An attack says which answers are safe; judge asserts for each one, whatever it
// is, the invariants:
//
//	I1  the origin sees no more requests than the client gets final answers
//	I2  what it sees has one meaning: one Host, at most one framing, plain names
//	I3  after a framing error the connection ends
//	I4  no client can make, remove or double a header of ours

// A besieged proxy stands between an attacker and a recorder. It serves a.test and
// b.test, and bücher.test as an alias of a.test.
type besieged struct {
	*proxy
	origin *recorder
}

// besiege starts a proxy with TLS or without; extra lines of YAML go to the top level.
func besiege(t *testing.T, secure bool, origin *recorder, extra ...string) besieged {
	t.Helper()
	yaml := "listen: {http: \"127.0.0.1:0\"}\n"
	hosts := `["bücher.test", a.test, "::1"]`
	if secure {
		yaml = "listen: {http: \"127.0.0.1:0\", https: \"127.0.0.1:0\"}\ntls: {internal: true}\n"
		hosts = `["bücher.test", a.test]`
	}
	yaml += "admin: {listen: \"127.0.0.1:0\"}\nlog: {format: json, access: true}\ndata: " + t.TempDir() + "\n" +
		"sites:\n  - {hosts: " + hosts + ", to: [" + origin.url + "]}\n  - {hosts: [b.test], to: [" + origin.url + "]}\n"
	for _, line := range extra {
		yaml += line + "\n"
	}
	return besieged{runProxy(t, yaml), origin}
}

// want says what is safe: one of the refusals, or, if passes is set, an answer
// from the origin, which may then have seen what passes finds nothing wrong with.
type want struct {
	refusal []int // statuses
	framing bool  // a refusal ends the connection, and nothing behind it is read
	begun   bool  // the origin may have seen the beginning of a refused request,
	whole   bool  // or all of it
	passes  func(*recorded) string
}

// broken is for requests whose end is in doubt.
func broken(status ...int) want { return want{refusal: status, framing: true} }

// brokenBody is for requests whose end comes in doubt after the head has gone on.
func brokenBody(status ...int) want { return want{refusal: status, framing: true, begun: true} }

// refused is for requests that are clear but not welcome.
func refused(status ...int) want { return want{refusal: status} }

// passed is for requests that the origin must get, and that must look so.
func passed(checks ...func(*recorded) string) want { return want{passes: all(checks)} }

// or allows a refusal as well.
func (w want) or(refusal want) want {
	refusal.passes = w.passes
	return refusal
}

// orPass allows the request to pass as well.
func (w want) orPass(checks ...func(*recorded) string) want {
	w.passes = all(checks)
	return w
}

// orReach allows the origin to get a request that the client is refused: what is
// wrong came after its end.
func (w want) orReach() want {
	w.whole = true
	return w
}

func all(checks []func(*recorded) string) func(*recorded) string {
	return func(r *recorded) string {
		for _, check := range checks {
			if fault := check(r); fault != "" {
				return fault
			}
		}
		return ""
	}
}

// without checks that the origin does not see a header field.
func without(name string) func(*recorded) string {
	return func(r *recorded) string {
		if values := r.values(name); len(values) > 0 {
			return fmt.Sprintf("%s: %q", name, values)
		}
		return ""
	}
}

// field checks that the origin sees a header field once.
func field(name, value string) func(*recorded) string {
	return func(r *recorded) string {
		if values := r.values(name); !slices.Equal(values, []string{value}) {
			return fmt.Sprintf("%s: %q, want %q", name, values, value)
		}
		return ""
	}
}

// asked checks the target that the origin sees. "@" in it stands for the mark of
// the attack.
func asked(target string) func(*recorded) string {
	return func(r *recorded) string {
		if marked.ReplaceAllString(r.target, "@") != target {
			return fmt.Sprintf("target %q, want %q", r.target, target)
		}
		return ""
	}
}

func content(body string) func(*recorded) string {
	return func(r *recorded) string {
		if r.body != body {
			return fmt.Sprintf("body %q, want %q", r.body, body)
		}
		return ""
	}
}

func method(name string) func(*recorded) string {
	return func(r *recorded) string {
		if r.method != name {
			return "method " + r.method
		}
		return ""
	}
}

// exchange is what the attacker has seen.
type exchange struct {
	status int         // the answer to the attack; 0: none
	header http.Header // of it
	last   bool        // it says Connection: close
	ends   int         // final answers and, in HTTP/2 and 3, streams that were reset
	reset  bool        // the attack was answered by a reset or by the end of its connection
	closed bool        // the proxy has ended the connection
	cause  error       // of the reset or the end
	fault  string      // what is wrong with the answers themselves
}

func (e exchange) String() string {
	return fmt.Sprintf("status %d, %d ends, reset %t, closed %t, cause %v, header %v", e.status, e.ends, e.reset, e.closed, e.cause, e.header)
}

// A siege sends attacks one after the other by one way into the proxy.
type siege struct {
	origin *recorder
	who    identity
	sent   int
	ends   int
}

// mark is what tells an attack's requests from those of others: "@" and a number.
func (s *siege) mark() string {
	s.sent++
	return fmt.Sprintf("@%d", s.sent)
}

// behind is the target of the innocent request behind an attack.
func behind(mark string) string { return "/behind" + mark }

// judge asserts the invariants, and that the proxy was safe by w.
func (s *siege) judge(t *testing.T, w want, mark string, since int, got exchange) {
	t.Helper()
	s.ends += got.ends
	seen := s.collect(mark, since)
	s.inspect(t, seen, got)
	innocent := func(r recorded) bool { return r.target == behind(mark) }
	reached := slices.ContainsFunc(seen, innocent)
	w.judge(t, slices.DeleteFunc(slices.Clone(seen), innocent), reached, got)
	if t.Failed() {
		t.Logf("the client got: %v", got)
		for _, r := range seen {
			t.Logf("the origin saw (whole: %t): %q + %q", r.whole, r.head, r.body)
		}
	}
}

// inspect asserts the invariants that hold for every attack.
func (s *siege) inspect(t *testing.T, seen []recorded, got exchange) {
	t.Helper()
	if got.fault != "" {
		t.Error(got.fault)
	}
	if len(seen) > got.ends {
		t.Errorf("I1: %d requests, %d answers", len(seen), got.ends)
	}
	for _, r := range seen {
		for _, fault := range r.complaints(s.who) {
			t.Error(fault)
		}
		if strings.Contains(r.target, "smuggled") {
			t.Errorf("a smuggled request came through: %q", r.head)
		}
	}
}

// judge asserts that the answer is one that w allows. Own are the attack's
// requests at the origin; reached is whether the innocent one came there, too.
func (w want) judge(t *testing.T, own []recorded, reached bool, got exchange) {
	t.Helper()
	switch {
	case slices.Contains(w.refusal, got.status), got.reset && slices.Contains(w.refusal, http.StatusBadRequest):
		w.judgeRefusal(t, own, reached, got)
	case w.passes == nil || got.status/100 != 2:
		t.Errorf("status %d, want %v", got.status, w.refusal)
	case len(own) != 1 || !own[0].whole:
		t.Errorf("the origin saw %d requests, want 1, whole", len(own))
	default:
		if fault := w.passes(&own[0]); fault != "" {
			t.Error(fault)
		}
	}
}

// collect returns what the origin has seen of an attack, after a moment for
// requests that are still on their way there.
func (s *siege) collect(mark string, since int) (seen []recorded) {
	time.Sleep(time.Millisecond)
	for _, r := range s.origin.since(since) {
		if of := marked.FindString(r.target); of == "" || of == mark {
			seen = append(seen, r)
		}
	}
	return seen
}

var marked = regexp.MustCompile(`@[0-9]+`)

func (w want) judgeRefusal(t *testing.T, own []recorded, reached bool, got exchange) {
	t.Helper()
	for _, r := range own {
		if r.whole && !w.whole || !w.begun && !w.whole {
			t.Errorf("refused, but the origin saw %q", r.head)
		}
	}
	if !w.framing {
		return
	}
	if reached {
		t.Error("I3: the request behind a framing error was served")
	}
	if !got.closed {
		t.Error("I3: the connection stays open")
	}
	if got.status != 0 && !got.last {
		t.Error("I3: the answer is without Connection: close")
	}
}

// end asserts I1 over all attacks, when nothing can be on its way any more.
func (s *siege) end(t *testing.T) {
	t.Helper()
	time.Sleep(200 * time.Millisecond)
	if seen := s.origin.count(); seen > s.ends {
		t.Errorf("I1: %d requests, %d answers", seen, s.ends)
	}
	for _, r := range s.origin.since(0) {
		if strings.Contains(r.target, "smuggled") {
			t.Errorf("a smuggled request came through: %q", r.head)
		}
	}
}
