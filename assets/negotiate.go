package assets

import (
	"strconv"
	"strings"
)

// negotiate returns the coding of offers that the Accept-Encoding fields give the highest weight, the first of several,
// or "" for none (RFC 9110 12.5.3). It prefers any coding to none unless the fields say otherwise.
func negotiate(fields []string, offers []string) string {
	weights := parseWeights(strings.Join(fields, ","))
	best, most := "", 0.0
	for _, coding := range offers {
		if q := weights.of(coding); q > most {
			best, most = coding, q
		}
	}
	if q, named := weights["identity"]; named && q > most {
		return ""
	}
	return best
}

// weights is an Accept-Encoding list: coding in lower case to weight.
type weights map[string]float64

func (w weights) of(coding string) float64 {
	if q, ok := w[coding]; ok {
		return q
	}
	return w["*"]
}

func parseWeights(list string) weights {
	w := weights{}
	for item := range strings.SplitSeq(list, ",") {
		coding, params, _ := strings.Cut(item, ";")
		if coding = strings.ToLower(strings.TrimSpace(coding)); coding != "" {
			w[coding] = parseWeight(params)
		}
	}
	return w
}

// parseWeight returns the weight of "q=0.5", 1 for no parameter and 0 for what cannot be read: who is hard to
// understand gets the plain body.
func parseWeight(params string) float64 {
	key, value, ok := strings.Cut(strings.TrimSpace(params), "=")
	if !ok {
		if key == "" {
			return 1
		}
		return 0
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !strings.EqualFold(strings.TrimSpace(key), "q") || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
