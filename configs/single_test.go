package configs

import (
	"reflect"
	"testing"
)

func TestSingle(t *testing.T) {
	c, err := Single("http://127.0.0.1:3000", "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Parse("c.yaml", []byte(`{listen: {http: ":8080"}, data: ctlive-data, sites: [{hosts: ["*"], to: ["http://127.0.0.1:3000"]}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(settings(c), settings(want)) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}

	c, err = Single("https://a.test/", "127.0.0.1:0", "/x/${A}", "acme")
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen.HTTP != "127.0.0.1:0" || c.Data != "/x/${A}" || c.Sites[0].Tenant != "acme" || c.Sites[0].To[0].String() != "https://a.test" {
		t.Errorf("flags are not all taken: %+v", c)
	}
}

func TestSingleNamesEachMistake(t *testing.T) {
	tests := []struct{ name, to, listen, data, tenant, want string }{
		{"no upstream", "", "", "", "", `--to: missing; name the site's own server, such as http://127.0.0.1:3000`},
		{"one address twice", "http://a.test", "127.0.0.1:9180", "", "", `--listen: visitors and the admin listener share this address; choose another port for one of them`},
		{"all wrong", "localhost:3000", "80", "\x00", "a/b", `--data: "\x00" is not a path; write the path of a folder
--listen: "80" is not host:port; write host:port, such as 127.0.0.1:9180, or :80 for every address
--tenant: "a/b" cannot stand in a URL as it is; write the tenant's name as it stands in its CTLive address: letters, digits and - . _ ~
--to: "localhost:3000" is not an http:// or https:// address; write scheme, host and port only, such as http://10.0.0.5:8080`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Single(test.to, test.listen, test.data, test.tenant)
			if err == nil {
				t.Fatalf("taken: %+v", c)
			}
			if err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}
