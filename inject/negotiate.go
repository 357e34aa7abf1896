package inject

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// narrowCodings asks for gzip alone where the visitor takes it, since markup
// can be put into gzip without compressing anew; otherwise it leaves the
// visitor's own list, less the codings by dictionary (RFC 9842): the origin
// would count on bytes that the visitor does not hold.
func narrowCodings(h http.Header) {
	delete(h, "Available-Dictionary")
	delete(h, "Dictionary-Id")
	accepted := h["Accept-Encoding"]
	if len(accepted) == 1 && accepted[0] == "gzip" {
		return
	}
	var kept []string
	for _, field := range accepted {
		for part := range splitQuoted(field, ',') {
			name, parameters, _ := strings.Cut(part, ";")
			switch name = strings.ToLower(strings.TrimSpace(name)); {
			case name == "gzip" && weight(parameters) > 0:
				h["Accept-Encoding"] = []string{"gzip"}
				return
			case name != "dcb" && name != "dcz":
				kept = append(kept, strings.TrimSpace(part))
			}
		}
	}
	if len(kept) == 0 && len(accepted) > 0 {
		kept = []string{"identity"} // without the field, any coding would do
	}
	if len(kept) > 0 {
		h["Accept-Encoding"] = []string{strings.Join(kept, ", ")}
	}
}

// weight returns the quality value among parameters, 1 if there is none (RFC 9110 12.4.2).
func weight(parameters string) float64 {
	value, found := parameter(parameters, "q")
	if !found {
		return 1
	}
	q, _ := strconv.ParseFloat(value, 64)
	return q
}

// vary adds request fields to Vary, each once.
func vary(h http.Header, fields []string) {
	if hasToken(h, "Vary", "*") {
		return
	}
	named := func(field string) bool { return hasToken(h, "Vary", field) }
	if slices.ContainsFunc(fields, named) {
		fields = slices.DeleteFunc(slices.Clone(fields), named)
	}
	if len(fields) > 0 {
		h["Vary"] = append(h["Vary"], strings.Join(fields, ", "))
	}
}
