package fields_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"ctlive/proxy/accept/fields"
)

func TestNames(t *testing.T) {
	for _, name := range []string{"ETag", "TE", "DNT", "X-XSS-Protection", "Content-Type", "X-Own", "x-Own", "X-1", "a b", ""} {
		for _, sent := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			want := http.CanonicalHeaderKey(sent)
			if got := fields.Canonical(sent); got != want {
				t.Errorf("canonical of %q is %q, want %q", sent, got, want)
			}
			lower := strings.ToLower(want)
			if want == "" || strings.Contains(want, " ") {
				lower = ""
			}
			if got := fields.Lower(want); got != lower {
				t.Errorf("lower case of %q is %q", want, got)
			}
		}
	}
}

// What was there before the adopted header comes first, and only in that response.
func TestAdopt(t *testing.T) {
	early := []string{"early"}
	for range 3 {
		var r, empty fields.Response
		r.Header()["Via"] = early[:1:1]
		r.Header().Set("Alt-Svc", "h3")
		given := http.Header{"Via": {"late"}, "Etag": {"x"}}
		r.Adopt(given)
		want := http.Header{"Via": {"early", "late"}, "Alt-Svc": {"h3"}, "Etag": {"x"}}
		if got := r.Header(); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(given, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		r.Header().Set("Age", "1")
		if got := empty.Header(); len(got) != 0 {
			t.Errorf("another response has %v", got)
		}
		empty.Adopt(http.Header{"Age": {"2"}})
		if got := empty.Header(); len(got) != 1 {
			t.Errorf("a header adopted alone is %v", got)
		}
	}
}

func ExampleResponse() {
	var r fields.Response
	r.Header().Set("Alt-Svc", "h3")
	r.Adopt(http.Header{"Content-Type": {"text/html"}})
	fmt.Println(r.Header())
	// Output: map[Alt-Svc:[h3] Content-Type:[text/html]]
}
