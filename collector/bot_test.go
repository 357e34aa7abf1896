package collector

import (
	"slices"
	"strings"
	"testing"
)

const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"

func TestIsBot(t *testing.T) {
	for agent, want := range map[string]bool{
		"":     false,
		chrome: false,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1": false,
		"Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36":             false,
		"Mozilla/5.0 (Linux; Android 9; CUBOT) AppleWebKit/537.36":                                                                                false,
		"Mozilla/5.0 (X11) HeadlessChrome/142.0.0.0":                                                                                              false,
		"Mozilla/5.0 Botswana/1.0 Spiderman Robotics":                                                                                             false,
		"curl/8.5.0": false,

		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":     true,
		"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)":      true,
		"AdsBot-Google (+http://www.google.com/adsbot.html)":                           true,
		"Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)":             true,
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)":   true,
		"Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)":           true,
		"Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (compatible; Bytespider)": true,
		"facebookexternalhit/1.1": true,
		"Mediapartners-Google":    true,
		"Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)": true,
		"Mozilla/5.0 Chrome/142.0.0.0 Safari/537.36 Chrome-Lighthouse":                        true,
		"Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)":              true,
		"Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)":                               true,
		"Mozilla/5.0 Chrome/142 Safari/537.36 DatadogSynthetics":                              true,
		"my-own-crawler": true,
		chrome + " " + strings.Repeat("x", 200) + " Googlebot": true,
	} {
		if got := isBot(agent); got != want {
			t.Errorf("%q: %t", agent, got)
		}
	}
	if isBot(strings.Repeat("x ", maxAgent) + "Googlebot") {
		t.Error("looked beyond the first bytes")
	}
}

func TestBotIsStoredAndMarked(t *testing.T) {
	h, s := newEndpoint(t, Options{})
	a := sendText(t, h, batchOf(loaded("a")), "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1)")
	b := sendText(t, h, batchOf(loaded("b")), "User-Agent: "+chrome)
	if !slices.Equal(a.Results[0].Flags, []string{"bot"}) || len(b.Results[0].Flags) != 0 || len(allEvents(t, s)) != 2 {
		t.Errorf("flags %q, %q", a.Results[0].Flags, b.Results[0].Flags)
	}
}

// TestC16Prerender: the browser's word counts, and the page's.
func TestC16Prerender(t *testing.T) {
	h, _ := newEndpoint(t, Options{})
	for name, test := range map[string]struct {
		header, member string
		want           bool
	}{
		"shown":            {"", "", false},
		"prerendered":      {"Sec-Purpose: prefetch;prerender", "", true},
		"prefetched":       {"Sec-Purpose: prefetch", "", false},
		"says so itself":   {"", `"prerender":true,`, true},
		"says it is shown": {"", `"prerender":false,`, false},
	} {
		body := strings.Replace(batchOf(loaded(name)), `{"v":1,`, `{"v":1,`+test.member, 1)
		a := sendText(t, h, body, test.header)
		if got := slices.Contains(a.Results[0].Flags, "prerender"); got != test.want {
			t.Errorf("%s: %q", name, a.Results[0].Flags)
		}
	}
}

func BenchmarkIsBot(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if isBot(chrome) {
			b.Fatal("no")
		}
	}
}
