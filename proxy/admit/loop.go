package admit

import (
	"net/http"
	"strings"
)

const (
	cdnID    = "ctlive" // in CDN-Loop (RFC 8586)
	maxLoops = 5        // several of us in a row are legitimate
)

func checkLoop(r *http.Request) Fault {
	if passes(r.Header["Cdn-Loop"]) > maxLoops {
		return Fault{http.StatusLoopDetected, "loop"}
	}
	return Fault{}
}

// passes returns how often a request has come through a proxy like this one.
func passes(cdnLoop []string) int {
	n := 0
	for _, field := range cdnLoop {
		for info := range strings.SplitSeq(field, ",") {
			id, _, _ := strings.Cut(info, ";")
			if strings.EqualFold(strings.Trim(id, " \t"), cdnID) {
				n++
			}
		}
	}
	return n
}
