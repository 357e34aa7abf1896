package collector

import "strings"

// botWords are words of the User-Agent, in lower case, of programs that say what they are. A word
// that ends in "bot", "crawler" or "spider" needs no entry.
//
// HTTP libraries are not among them: what they send carries no page token, unless somebody means
// it. Nor is HeadlessChrome: that is how the tests of a site visit it, and they want to be seen.
var botWords = wordSet(`
	bingpreview bytedance-snippet chrome-lighthouse dareboost datadogsynthetics embedly facebookcatalog
	facebookexternalhit google-adwords-instant google-extended google-inspectiontool google-read-aloud
	google-site-verification googleother gtmetrix heritrix hubspot iframely ia_archiver lighthouse
	mediapartners-google meta-externalagent meta-externalfetcher newrelicsynthetics nutch pagespeed phantomjs
	pingdom prerender ptst screaming site24x7 skypeuripreview slurp speedcurve statuscake storebot-google
	synthetics teoma uptime-kuma yandexmetrika yahooseeker zgrab`)

// phones are words that end in "bot" and name what people hold in their hands.
var phones = wordSet(`cubot`)

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		set[word] = true
	}
	return set
}

const maxAgent = 512 // bytes of a User-Agent that are looked at

// isBot reports whether agent, a User-Agent, says that it is no person's browser. It looks at each
// word once.
func isBot(agent string) bool {
	var lower [maxAgent]byte
	n, start := min(len(agent), maxAgent), 0
	for i := range n {
		c := agent[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
		if inWord(c) {
			continue
		}
		if isBotWord(lower[start:i]) {
			return true
		}
		start = i + 1
	}
	return isBotWord(lower[start:n])
}

func inWord(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c >= 0x80
}

// isBotWord looks at a word, and at the part before a hyphen: "AdsBot-Google-Mobile" is two names.
func isBotWord(word []byte) bool {
	if len(word) < len("bot") {
		return false
	}
	if botWords[string(word)] {
		return true
	}
	for start := 0; start < len(word); {
		end := start
		for end < len(word) && word[end] != '-' && word[end] != '_' {
			end++
		}
		if endsLikeBot(word[start:end]) {
			return true
		}
		start = end + 1
	}
	return false
}

func endsLikeBot(part []byte) bool {
	for _, end := range []string{"bot", "crawler", "spider"} {
		if len(part) >= len(end) && string(part[len(part)-len(end):]) == end {
			return !phones[string(part)]
		}
	}
	return false
}
