package inject

// cspCase is a page's policies before and after, one header line a line; those
// that begin with "ro:" are report-only. In want, HASH, BUFFER, SRI, SRC,
// EVENTS and SDKURL stand for what cspExpand puts there.
type cspCase struct {
	name  string
	in    string
	want  string // "" if nothing may change
	nonce string // that the verdict must name
	tt    bool   // the verdict asks for the async element
	skip  bool

	sdk, kept, stored bool // what the needs have beyond the usual
}

var cspCases = []cspCase{
	// Nothing to do.
	{name: "no header"},
	{name: "empty header", in: " "},
	{name: "empty policies", in: ",, ;;,;"},
	{name: "no fetch directive", in: "upgrade-insecure-requests; frame-ancestors 'none'; base-uri 'self'; report-uri /csp"},
	{name: "other fetch directives", in: "img-src 'none'; style-src 'self'; worker-src 'none'; script-src-attr 'none'"},
	{name: "all open", in: "default-src * 'unsafe-inline' 'unsafe-eval' data: blob:"},
	{name: "self and unsafe-inline", in: "script-src 'self' 'unsafe-inline'; connect-src 'self'"},
	{name: "keywords in any case", in: "SCRIPT-SRC 'SELF' 'Unsafe-Inline'; Connect-Src 'Self'"},
	{name: "scheme", in: "default-src https: 'unsafe-inline'"},
	{name: "scheme upgraded", in: "default-src http: 'unsafe-inline'"},
	{name: "host without scheme", in: "default-src www.example.com 'unsafe-inline'"},
	{name: "host in any case", in: "default-src HTTPS://WWW.Example.COM 'unsafe-inline'"},
	{name: "host of http upgraded", in: "default-src http://www.example.com 'unsafe-inline'"},
	{name: "wildcard host", in: "default-src *.example.com 'unsafe-inline'"},
	{name: "any host of a scheme", in: "default-src https://* 'unsafe-inline'"},
	{name: "default port named", in: "default-src www.example.com:443 'unsafe-inline'"},
	{name: "any port", in: "default-src www.example.com:* 'unsafe-inline'"},
	{name: "path prefix", in: "default-src www.example.com/.ctlive/ 'unsafe-inline'"},
	{name: "path escaped", in: "default-src www.example.com/%2Ectlive/ 'unsafe-inline'"},
	{name: "root path", in: "default-src https://www.example.com/ 'unsafe-inline'"},
	{name: "hash there already", in: "script-src 'self' HASH"},
	{name: "hash there in base64url", in: "script-src 'self' HASHURL"},
	{name: "hash there as sha512", in: "script-src 'self' HASH512"},
	{name: "own expressions there already", in: "script-src HASH SRC; connect-src EVENTS"},

	// 'unsafe-inline' that works gets URLs only.
	{name: "P47 unsafe-inline goes on working", in: "script-src 'unsafe-inline' https://cdn.example.net; style-src 'self'",
		want: "script-src 'unsafe-inline' https://cdn.example.net SRC; style-src 'self'"},
	{name: "P47 unsafe-inline of default-src", in: "default-src 'unsafe-inline' cdn.example.net",
		want: "default-src 'unsafe-inline' cdn.example.net; script-src-elem 'unsafe-inline' cdn.example.net SRC; connect-src 'unsafe-inline' cdn.example.net EVENTS"},
	{name: "P47 nonce of another policy", in: "script-src 'self' 'unsafe-inline'\nscript-src 'self' 'nonce-r4nd0m'", nonce: "r4nd0m"},
	{name: "unsafe-inline beside what is no nonce", in: "script-src 'self' 'unsafe-inline' 'nonce-' 'nonce-{{csp}}' 'nonce-a===' 'sha1-aaaa'"},
	{name: "unsafe-inline and none", in: "script-src 'none' 'unsafe-inline'",
		want: "script-src 'none' 'unsafe-inline' SRC"},

	// 'unsafe-inline' that does not work.
	{name: "unsafe-inline off by a hash", in: "script-src 'self' 'unsafe-inline' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
		want: "script-src 'self' 'unsafe-inline' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' HASH"},
	{name: "unsafe-inline off by a nonce", in: "script-src 'self' 'unsafe-inline' 'nonce-r4nd0m'", nonce: "r4nd0m"},
	{name: "unsafe-inline off by strict-dynamic", in: "script-src 'unsafe-inline' 'strict-dynamic'",
		want: "script-src 'unsafe-inline' 'strict-dynamic' HASH"},
	{name: "unsafe-inline of styles stays", in: "default-src 'self' 'unsafe-inline' 'strict-dynamic'",
		want: "default-src 'self' 'unsafe-inline' 'strict-dynamic'; script-src-elem 'self' 'unsafe-inline' 'strict-dynamic' HASH"},

	// Hash and URL.
	{name: "self", in: "script-src 'self'", want: "script-src 'self' HASH"},
	{name: "other host", in: "script-src https://cdn.example.net", want: "script-src https://cdn.example.net HASH SRC"},
	{name: "no value", in: "script-src; connect-src", want: "script-src HASH SRC; connect-src EVENTS"},
	{name: "none", in: "script-src 'none'", want: "script-src HASH SRC"},
	{name: "none in any case", in: "script-src 'NONE' ; img-src *", want: "script-src HASH SRC ; img-src *"},
	{name: "none with others", in: "script-src 'none' cdn.example.net", want: "script-src 'none' cdn.example.net HASH SRC"},
	{name: "none twice", in: "script-src 'none' 'none'", want: "script-src 'none' 'none' HASH SRC"},
	{name: "default none", in: "default-src 'none'",
		want: "default-src 'none'; script-src-elem HASH SRC; connect-src EVENTS"},
	{name: "default without value", in: "default-src;", want: "default-src; script-src-elem HASH SRC; connect-src EVENTS;"},
	{name: "default self", in: "default-src 'self'; img-src *",
		want: "default-src 'self'; script-src-elem 'self' HASH; img-src *"},
	{name: "default none, images and styles", in: "default-src 'none'; img-src 'self'; style-src 'self'",
		want: "default-src 'none'; script-src-elem HASH SRC; connect-src EVENTS; img-src 'self'; style-src 'self'"},
	{name: "default none, scripts self", in: "default-src 'none'; script-src 'self'",
		want: "default-src 'none'; connect-src EVENTS; script-src 'self' HASH"},
	{name: "default self, connect none", in: "default-src 'self' 'unsafe-inline'; connect-src 'none'",
		want: "default-src 'self' 'unsafe-inline'; connect-src EVENTS"},
	{name: "keywords are copied", in: "default-src 'self' 'unsafe-eval' 'wasm-unsafe-eval' 'unsafe-hashes' 'report-sample' 'inline-speculation-rules'",
		want: "default-src 'self' 'unsafe-eval' 'wasm-unsafe-eval' 'unsafe-hashes' 'report-sample' 'inline-speculation-rules'; script-src-elem 'self' 'unsafe-eval' 'wasm-unsafe-eval' 'unsafe-hashes' 'report-sample' 'inline-speculation-rules' HASH"},
	{name: "unsafe-hashes", in: "script-src 'self' 'unsafe-hashes' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
		want: "script-src 'self' 'unsafe-hashes' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' HASH"},
	{name: "elem and attr", in: "script-src-attr 'none'; script-src-elem cdn.example.net; script-src 'self' 'unsafe-inline'",
		want: "script-src-attr 'none'; script-src-elem cdn.example.net HASH SRC; script-src 'self' 'unsafe-inline'"},

	// Expressions that look as if they allowed the listener.
	{name: "exact path without slash", in: "script-src 'unsafe-inline' www.example.com/.ctlive",
		want: "script-src 'unsafe-inline' www.example.com/.ctlive SRC"},
	{name: "exact path of another file", in: "script-src 'unsafe-inline' www.example.com/.ctlive/listener.js",
		want: "script-src 'unsafe-inline' www.example.com/.ctlive/listener.js SRC"},
	{name: "path in another case", in: "script-src 'unsafe-inline' www.example.com/.CTLive/",
		want: "script-src 'unsafe-inline' www.example.com/.CTLive/ SRC"},
	{name: "other port", in: "script-src 'unsafe-inline' www.example.com:8443",
		want: "script-src 'unsafe-inline' www.example.com:8443 SRC"},
	{name: "parent domain", in: "script-src 'unsafe-inline' example.com *.www.example.com",
		want: "script-src 'unsafe-inline' example.com *.www.example.com SRC"},
	{name: "end of the host", in: "script-src 'unsafe-inline' *ample.com ample.com",
		want: "script-src 'unsafe-inline' *ample.com ample.com SRC"},
	{name: "other schemes", in: "script-src 'unsafe-inline' data: blob: ws: wss:",
		want: "script-src 'unsafe-inline' data: blob: ws: wss: SRC"},
	{name: "unquoted keywords", in: "script-src self unsafe-inline", want: "script-src self unsafe-inline HASH SRC"},

	// Nonces.
	{name: "P50 nonce in elem only", in: "script-src 'self'; script-src-elem 'nonce-r4nd0m'",
		want:  "script-src 'self'; script-src-elem 'nonce-r4nd0m' SRC",
		nonce: "r4nd0m"},
	{name: "P50 nonce in default-src", in: "default-src 'nonce-r4nd0m' 'self'", nonce: "r4nd0m"},
	{name: "P50 names and nonces in any case", in: "Script-Src 'NONCE-r4nd0m' 'self'", nonce: "r4nd0m"},
	{name: "P52 nonce of the header, none in the body", in: "script-src 'self' 'nonce-r4nd0m'; object-src 'none'", nonce: "r4nd0m"},
	{name: "P52 page stored with another nonce", in: "script-src 'self' 'nonce-r4nd0m'; object-src 'none'", stored: true,
		want: "script-src 'self' 'nonce-r4nd0m' HASH; object-src 'none'"},
	{name: "P52 stored under strict-dynamic", in: "script-src 'strict-dynamic' 'nonce-r4nd0m'", stored: true, kept: true,
		want: "script-src 'strict-dynamic' 'nonce-r4nd0m' HASH"},
	{name: "nonce kept by the created element", in: "script-src 'nonce-r4nd0m'", kept: true, nonce: "r4nd0m"},
	{name: "nonce not kept", in: "script-src 'nonce-r4nd0m'", want: "script-src 'nonce-r4nd0m' SRC", nonce: "r4nd0m"},
	{name: "nonce in default-src, not kept", in: "default-src 'nonce-r4nd0m'",
		want:  "default-src 'nonce-r4nd0m'; script-src-elem 'nonce-r4nd0m' SRC; connect-src 'nonce-r4nd0m' EVENTS",
		nonce: "r4nd0m"},
	{name: "nonce that spares nothing", in: "script-src 'self' 'nonce-r4nd0m' HASH"},
	{name: "first of two nonces", in: "script-src 'self' 'nonce-first' 'nonce-second'", nonce: "first"},
	{name: "nonce in base64 with padding", in: "script-src 'self' 'nonce-ab+/-_9=='", nonce: "ab+/-_9=="},
	{name: "nonce that two policies share", in: "script-src 'self' 'nonce-one'\nscript-src 'self' 'nonce-two', script-src 'nonce-two' 'self'",
		want:  "script-src 'self' 'nonce-one' HASH\nscript-src 'self' 'nonce-two', script-src 'nonce-two' 'self'",
		nonce: "two"},
	{name: "a nonce repeated is one", in: "script-src 'self' 'nonce-one'\nscript-src 'self' 'nonce-two' 'nonce-two'",
		want:  "script-src 'self' 'nonce-one'\nscript-src 'self' 'nonce-two' 'nonce-two' HASH",
		nonce: "one"},
	{name: "enforced nonce before reported", in: "ro: script-src 'self' 'nonce-report'\nscript-src 'self' 'nonce-enforce'",
		want:  "ro: script-src 'self' 'nonce-report' HASH\nscript-src 'self' 'nonce-enforce'",
		nonce: "enforce"},
	{name: "reported nonce", in: "ro: script-src 'self' 'nonce-report'", nonce: "report"},

	// 'strict-dynamic'.
	{name: "P48 strict-dynamic with nonce", in: "script-src 'strict-dynamic' 'nonce-r4nd0m' 'unsafe-inline' https:; object-src 'none'; base-uri 'none'", nonce: "r4nd0m"},
	{name: "P48 strict-dynamic makes self and hosts void", in: "script-src 'self' https: 'strict-dynamic'",
		want: "script-src 'self' https: 'strict-dynamic' HASH"},
	{name: "P48 strict-dynamic in default-src", in: "default-src 'self' 'STRICT-DYNAMIC' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
		want: "default-src 'self' 'STRICT-DYNAMIC' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; script-src-elem 'self' 'STRICT-DYNAMIC' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' HASH"},

	// Several policies.
	{name: "P49 two lines", in: "default-src 'self'\nscript-src 'self'; connect-src 'self'",
		want: "default-src 'self'; script-src-elem 'self' HASH\nscript-src 'self' HASH; connect-src 'self'"},
	{name: "P49 two policies in a line", in: "script-src 'self',default-src 'none' , img-src *",
		want: "script-src 'self' HASH,default-src 'none'; script-src-elem HASH SRC; connect-src EVENTS , img-src *"},
	{name: "P49 unsafe-inline and a hash", in: "script-src 'self' 'unsafe-inline'\nscript-src 'self'",
		want: "script-src 'self' 'unsafe-inline'\nscript-src 'self' HASH"},
	{name: "report-only beside enforced", in: "script-src 'self' 'unsafe-inline'\nro: default-src 'none'; report-uri /csp",
		want: "script-src 'self' 'unsafe-inline'\nro: default-src 'none'; script-src-elem HASH SRC; connect-src EVENTS; report-uri /csp"},

	// Parsing.
	{name: "first of duplicates", in: "script-src 'self' 'unsafe-inline'; SCRIPT-SRC 'none'"},
	{name: "first of duplicates, empty", in: "script-src; script-src 'self' 'unsafe-inline'",
		want: "script-src HASH SRC; script-src 'self' 'unsafe-inline'"},
	{name: "space and empty directives", in: " ;; script-src\t'self'  ;connect-src 'self';; ",
		want: " ;; script-src\t'self' HASH  ;connect-src 'self';; "},
	{name: "not ASCII is ignored", in: "script-src 'none' \u00e9; script-src 'self'; connect-src \u201cself\u201d",
		want: "script-src 'none' \u00e9; script-src 'self' HASH; connect-src \u201cself\u201d"},
	{name: "vertical tab is no space", in: "script-src\v'none'; connect-src 'self'"},
	{name: "names that only begin alike", in: "script-src-elements 'none'; default-source 'none'; connect-srcs 'none'"},

	// Connections.
	{name: "P53 connect none", in: "connect-src 'none'", want: "connect-src EVENTS"},
	{name: "P53 connect without self", in: "script-src 'self' 'unsafe-inline'; connect-src https://api.example.com wss:",
		want: "script-src 'self' 'unsafe-inline'; connect-src https://api.example.com wss: EVENTS"},
	{name: "connect by path", in: "connect-src www.example.com/.ctlive/events"},
	{name: "connect before scripts", in: "connect-src 'none'; script-src 'none'",
		want: "connect-src EVENTS; script-src HASH SRC"},
	{name: "connect falls back", in: "default-src https://api.example.com; script-src 'self' 'unsafe-inline'",
		want: "default-src https://api.example.com; connect-src https://api.example.com EVENTS; script-src 'self' 'unsafe-inline'"},

	// Trusted Types.
	{name: "trusted types", in: "require-trusted-types-for 'script'; trusted-types default", tt: true},
	{name: "trusted types report-only", in: "ro: Require-Trusted-Types-For\t'script'", tt: true},
	{name: "trusted types without its value", in: "require-trusted-types-for; trusted-types 'none'"},
	{name: "trusted types and self", in: "require-trusted-types-for 'script'; script-src 'self'",
		want: "require-trusted-types-for 'script'; script-src 'self' BUFFER", tt: true},
	{name: "trusted types and none", in: "require-trusted-types-for 'script'; default-src 'none'",
		want: "require-trusted-types-for 'script'; default-src 'none'; script-src-elem BUFFER SRC; connect-src EVENTS", tt: true},
	{name: "trusted types and nonce", in: "require-trusted-types-for 'script'; script-src 'nonce-r4nd0m' 'strict-dynamic'", tt: true, nonce: "r4nd0m"},
	{name: "trusted types and strict-dynamic", in: "require-trusted-types-for 'script'; script-src 'self' 'strict-dynamic'",
		want: "require-trusted-types-for 'script'; script-src 'self' 'strict-dynamic' BUFFER SRI", tt: true},
	{name: "trusted types and integrity there", in: "require-trusted-types-for 'script'; script-src BUFFER SRI", tt: true,
		want: "require-trusted-types-for 'script'; script-src BUFFER SRI SRC"},
	{name: "trusted types in another policy", in: "require-trusted-types-for 'script'\nscript-src 'strict-dynamic' 'nonce-r4nd0m', script-src 'self'",
		want: "require-trusted-types-for 'script'\nscript-src 'strict-dynamic' 'nonce-r4nd0m', script-src 'self' BUFFER", tt: true, nonce: "r4nd0m"},

	// Sandbox.
	{name: "sandbox", in: "script-src 'none'; sandbox", skip: true},
	{name: "sandbox without scripts", in: "sandbox allow-forms allow-same-origin", skip: true},
	{name: "sandbox without origin", in: "sandbox allow-scripts", skip: true},
	{name: "sandbox in the second policy", in: "script-src 'self', Sandbox allow-same-origin", skip: true},
	{name: "sandbox with both", in: "sandbox Allow-Scripts allow-same-origin; script-src 'self'",
		want: "sandbox Allow-Scripts allow-same-origin; script-src 'self' HASH"},
	{name: "sandbox report-only is void", in: "ro: sandbox; script-src 'self'", want: "ro: sandbox; script-src 'self' HASH"},
	{name: "second sandbox directive is void", in: "sandbox allow-scripts allow-same-origin; sandbox"},

	// The SDK.
	{name: "SDK and self", in: "script-src 'self'", sdk: true, want: "script-src 'self' HASH SDKURL"},
	{name: "SDK allowed by host", in: "script-src 'self' 'unsafe-inline' https://sdk.example.org", sdk: true},
	{name: "SDK and default none", in: "default-src 'none'", sdk: true,
		want: "default-src 'none'; script-src-elem HASH SRC SDKURL; connect-src EVENTS"},
	{name: "SDK and nonce", in: "script-src 'self' 'nonce-r4nd0m'", sdk: true, nonce: "r4nd0m"},
	{name: "SDK and strict-dynamic with nonce", in: "script-src 'strict-dynamic' 'nonce-r4nd0m'", sdk: true, nonce: "r4nd0m"},
	{name: "SDK and strict-dynamic without nonce", in: "script-src 'strict-dynamic' HASH", sdk: true},

	// Policies of well-known sites' kinds, in full.
	{name: "strict policy of Google's guide", in: "object-src 'none'; script-src 'nonce-r4nd0m' 'unsafe-inline' 'unsafe-eval' 'strict-dynamic' https: http:; base-uri 'none'; report-uri https://csp.example.com/report", nonce: "r4nd0m"},
	{name: "default policy of Helmet", in: "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests",
		want: "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self' HASH;script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests"},
	{name: "asset host only", in: "default-src 'none'; base-uri 'self'; connect-src 'self' api.example.com; img-src 'self' data:; script-src assets.example.com; style-src 'unsafe-inline' assets.example.com",
		want: "default-src 'none'; base-uri 'self'; connect-src 'self' api.example.com; img-src 'self' data:; script-src assets.example.com HASH SRC; style-src 'unsafe-inline' assets.example.com"},
}
