// Package assets holds what ctlive serves to browsers, embedded in the binary, and serves the listener: the script
// that hears the events of a CTLive widget in a page and delivers them to the collector.
//
// The scripts are readable in listener/*.js. What is served are their minified forms beside them, made by go generate
// and committed, so that building ctlive takes nothing but Go.
package assets

import (
	_ "embed"
	"strings"
)

//go:generate go run -C build .

var (
	//go:embed listener/listener.min.js
	listenerJS string
	//go:embed listener/datalayer.min.js
	dataLayerJS string
	//go:embed listener/handlers.min.js
	handlersJS string
	//go:embed listener/inline.min.js
	inlineJS string
	//go:embed listener/buffer.min.js
	bufferJS string
)

func init() {
	// The last line break would count in the markup of every page.
	for _, js := range []*string{&listenerJS, &dataLayerJS, &handlersJS, &inlineJS, &bufferJS} {
		*js = strings.TrimSpace(*js)
	}
}
