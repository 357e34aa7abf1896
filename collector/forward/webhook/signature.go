package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"
)

// SignatureField is the header field with the signature.
const SignatureField = "Ctlive-Signature"

// signature returns the value of the field for a body that is sent at now.
func signature(secret []byte, now time.Time, body []byte) string {
	seconds := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return fmt.Sprintf("t=%s,v1=%x", seconds, mac.Sum(nil))
}
