package collector

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestWithin(t *testing.T) {
	tests := []struct {
		name, kind, id, text string
		want                 bool
	}{
		{"user", "user", "u1", `{"userID":"u1"}`, true},
		{"somewhere deep", "user", "u1", `{"deep":[{"by":"u1"}]}`, true},
		{"among users", "user", "u1", `{"users":["u2","u1"]}`, true},
		{"a part", "user", "u1", `{"userID":"u12"}`, false},
		{"a button", "user", "u1", `{"elementID":"u1"}`, false},
		{"a chat", "user", "u1", `{"chatID":"u1"}`, false},
		{"a user and not a chat", "chat", "u1", `{"userID":"u1"}`, false},
		{"the chat", "chat", "c1", `{"chatID":"c1"}`, true},
		{"a member's name", "user", "u1", `{"u1":1}`, false},
		{"escaped", "user", `a"b`, `{"x":["a\"b"]}`, true},
		{"a text alone", "user", "u1", ` "u1" `, true},
		{"a number", "user", "42", `{"userID":42}`, true},
		{"a number, however it is spelt", "user", "42", `{"x":{"User_ID":42}}`, true},
		{"numbers among users", "user", "42", `{"users":[41,42]}`, true},
		{"beyond what a float holds", "user", "9007199254740993", `{"userID":9007199254740993}`, true},
		{"another of those", "user", "9007199254740993", `{"userID":9007199254740992}`, false},
		{"a chat's number", "chat", "42", `{"chatID":42}`, true},
		{"a user's number and not a chat's", "chat", "42", `{"userID":42}`, false},
		{"how many", "user", "42", `{"n":42,"seconds":[42]}`, false},
		{"no JSON", "user", "u1", `{"userID":"u1"`, false},
		{"nothing", "user", "u1", ``, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := Erasure{Kind: test.kind, ID: test.id}
			if got := n.Within(jsontext.Value(test.text)); got != test.want {
				t.Errorf("%s: %t", test.text, got)
			}
			traces, err := n.Traces()
			found := slices.ContainsFunc(traces, func(trace string) bool { return strings.Contains(test.text, trace) })
			if err != nil || test.want && !found {
				t.Errorf("%s has none of %q, %v", test.text, traces, err)
			}
		})
	}
}
