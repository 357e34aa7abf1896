package collector

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// keysAt returns keys in memory, and the clock that they go by.
func keysAt(start time.Time) (*Keys, *time.Time) {
	clock := &start
	return newMemoryKeys(func() time.Time { return *clock }), clock
}

func withToken(token, id string) string {
	return strings.Replace(batchOf(loaded(id)), `{"v":1,`, `{"v":1,"token":"`+token+`",`, 1)
}

// TestE11Token: events without a good token are stored, and marked.
func TestE11Token(t *testing.T) {
	keys, clock := keysAt(testTime)
	tokens := keys.Tokens()
	good := tokens.Token(testSite.Name)
	other := tokens.Token("other.example")
	foreign, _ := keysAt(testTime)
	h, s := newEndpoint(t, Options{Tokens: tokens})
	send := func(name, token string, want ...string) {
		t.Helper()
		if a := sendText(t, h, withToken(token, name)); a.code != 200 || !slices.Equal(a.Results[0].Flags, want) {
			t.Errorf("%s: %d %q, want %q", name, a.code, a.Results[0].Flags, want)
		}
	}
	send("good", good, []string{}...)
	send("used again", good, []string{}...)
	send("absent", "", "untrusted")
	send("of another host", other, "untrusted")
	send("of another proxy", foreign.Tokens().Token(testSite.Name), "untrusted")
	send("changed", good[:23]+"!", "untrusted")
	send("cut", good[:23], "untrusted")
	send("long", good+"A", "untrusted")
	if a := sendText(t, h, strings.Replace(withToken(good, "number"), `"`+good+`"`, "17", 1)); !slices.Contains(a.Results[0].Flags, "untrusted") {
		t.Errorf("number: %q", a.Results[0].Flags)
	}
	*clock = testTime.Add(time.Hour)
	send("cached for an hour", good, []string{}...)
	*clock = testTime.Add(8 * 24 * time.Hour)
	send("cached for eight days", good, []string{}...)
	*clock = testTime.Add(9 * 24 * time.Hour)
	send("expired", good, "untrusted")
	if n := len(allEvents(t, s)); n != 12 {
		t.Errorf("%d events stored, want 12", n)
	}
}

func TestTokenChangesDaily(t *testing.T) {
	keys, clock := keysAt(testTime)
	tokens := keys.Tokens()
	seen := map[string]bool{}
	for hour := range 48 {
		*clock = testTime.Truncate(24 * time.Hour).Add(time.Duration(hour) * time.Hour)
		token := tokens.Token("a")
		seen[token] = true
		if len(token) != 24 || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("token %q", token)
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d tokens in two days", len(seen))
	}
}

// TestTokenKeysReplaced: over a year, whenever a page was made, its token is good for eight days.
func TestTokenKeysReplaced(t *testing.T) {
	keys, clock := keysAt(testTime)
	tokens := keys.Tokens()
	var made []string
	for day := range 365 {
		*clock = testTime.Add(time.Duration(day) * 24 * time.Hour)
		made = append(made, tokens.Token("a"))
		if !tokens.Valid("a", made[max(0, day-tokenDays)]) {
			t.Fatalf("day %d: the token of %d days ago is refused", day, min(day, tokenDays))
		}
		if day > tokenDays && tokens.Valid("a", made[day-tokenDays-1]) {
			t.Fatalf("day %d: an expired token is taken", day)
		}
		keys.destroyOld()
		if n := len(keys.tokens.keys); n > 3 {
			t.Fatalf("day %d: %d keys", day, n)
		}
	}
	if made[0][:2] == made[364][:2] {
		t.Error("the key was never replaced")
	}
}

func TestSharedTokenKeys(t *testing.T) {
	const old, next = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	one, _ := keysAt(testTime)
	two, _ := keysAt(testTime)
	for name, test := range map[string]struct {
		sign, check []string
		good        bool
	}{
		"one key":           {[]string{old}, []string{old}, true},
		"new one announced": {[]string{old, next}, []string{next, old}, true},
		"new one in use":    {[]string{next, old}, []string{old, next}, true},
		"old one removed":   {[]string{old}, []string{next}, false},
		"none in common":    {nil, nil, false},
	} {
		token := one.Tokens(test.sign...).Token("a")
		if got := two.Tokens(test.check...).Valid("a", token); got != test.good {
			t.Errorf("%s: %t", name, got)
		}
	}
	// Pages from before there was a shared key are still out there.
	if !one.Tokens(old).Valid("a", one.Tokens().Token("a")) {
		t.Error("a token of the proxy's own key is refused")
	}
}

func TestTokenCostsNoMemory(t *testing.T) {
	keys, _ := keysAt(testTime)
	tokens := keys.Tokens()
	good := tokens.Token("a")
	if n := testing.AllocsPerRun(100, func() { tokens.Token("a"); tokens.Valid("a", good); tokens.Valid("b", good) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzToken: no text but today's few tokens is taken.
func FuzzToken(f *testing.F) {
	keys, _ := keysAt(testTime)
	tokens := keys.Tokens("0123456789abcdef0123456789abcdef")
	good := tokens.Token("a")
	f.Add(good)
	f.Add(good[:23] + "=")
	f.Add(strings.Repeat("A", 24))
	f.Fuzz(func(t *testing.T, token string) {
		if tokens.Valid("a", token) && token != good {
			t.Fatalf("%q is taken", token)
		}
	})
}

func BenchmarkTokenValid(b *testing.B) {
	keys, _ := keysAt(testTime)
	tokens := keys.Tokens()
	good := tokens.Token("a")
	b.ReportAllocs()
	for b.Loop() {
		if !tokens.Valid("a", good) {
			b.Fatal("refused")
		}
	}
}
