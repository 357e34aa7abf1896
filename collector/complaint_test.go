package collector

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestC11OperatorIsTold: what the listener refused or contained reaches the log, each complaint once,
// and only of pages with a token.
func TestC11OperatorIsTold(t *testing.T) {
	keys, _ := keysAt(testTime)
	tokens := keys.Tokens()
	good := tokens.Token(testSite.Name)
	for _, mode := range []UserIDMode{KeepUserIDs, PseudonymUserIDs} {
		var log bytes.Buffer
		h, _ := newEndpoint(t, Options{Tokens: tokens, UserIDs: mode, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		send := func(token, origin, failure string) {
			t.Helper()
			sendText(t, h, fmt.Sprintf(`{"v":1,"session":"s","token":%q,"refused_from":%q,"error":%q,"events":[]}`, token, origin, failure))
		}
		send("forged", "https://liar.example", "a lie")
		send(good, "https://chat.example", "TypeError: anna is null")
		send(good, "https://chat.example", "TypeError: anna is null")
		if n := strings.Count(log.String(), "https://chat.example"); n != 1 || strings.Contains(log.String(), "liar") {
			t.Errorf("%s: %s", mode, log.String())
		}
		if told := strings.Count(log.String(), "anna"); told != map[UserIDMode]int{KeepUserIDs: 1}[mode] {
			t.Errorf("%s: %s", mode, log.String())
		}
		for i := range 3 * maxComplaints {
			send(good, fmt.Sprintf("https://%d.example", i), "")
		}
		if n := strings.Count(log.String(), "\n"); n != maxComplaints {
			t.Errorf("%s: %d lines", mode, n)
		}
	}
}
