package proxy

import (
	"net/http"
	"net/http/pprof"
)

// Profiles serves what package runtime/pprof knows of this process, under
// /debug/pprof/: where its CPU time goes, what holds its memory, and what its
// goroutines wait for.
func Profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
