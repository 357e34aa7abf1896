package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ctlive/collector"
	"ctlive/collector/forward/webhook"
)

var secret = []byte("correct horse battery staple")

// verify reports whether a batch comes from somebody who knows the secret and was sent just now.
func verify(field string, body []byte, now time.Time) error {
	seconds, mac, ok := strings.Cut(strings.TrimPrefix(field, "t="), ",v1=")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if !ok || err != nil {
		return errors.New("no signature")
	}
	if now.Sub(time.Unix(unix, 0)).Abs() > 5*time.Minute {
		return errors.New("too old, or our clock is wrong")
	}
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(seconds + "."))
	h.Write(body)
	if given, err := hex.DecodeString(mac); err != nil || !hmac.Equal(given, h.Sum(nil)) {
		return errors.New("not from us")
	}
	return nil
}

func Example() {
	receiver := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
		if err == nil {
			err = verify(r.Header.Get("Ctlive-Signature"), body, time.Now())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		fmt.Println(string(body)) // store it before the answer
	}
	srv := httptest.NewServer(http.HandlerFunc(receiver))
	defer srv.Close()

	sink, err := webhook.New(webhook.Options{URL: srv.URL, Secret: string(secret)})
	if err != nil {
		panic(err)
	}
	defer sink.Close()
	err = sink.Send(context.Background(), []collector.Record{{
		ID: "e1", Site: "shop", Type: "Loaded", Flags: []string{}, Object: jsontext.Value(`{"widgetID":"w1"}`),
	}})
	fmt.Println(err)
	// Output:
	// {"v":1,"id":"e061c52d3357c0a95a4f9989852abd5c","events":[{"id":"e1","site":"shop","type":"Loaded","at":"1970-01-01T00:00:00.000Z","received_at":"1970-01-01T00:00:00.000Z","page":"","session":"","seq":0,"url":"","referrer":"","title":"","lang":"","chat_id":"","user_id":"","client":"","flags":[],"object":{"widgetID":"w1"}}]}
	// <nil>
}
