package configs

import (
	"net/url"
	"reflect"

	"go.yaml.in/yaml/v4"
)

// Single returns the configuration of a proxy without a file: every host goes
// to the upstream to. What is empty keeps its default, which is ":8080" for
// listen, "ctlive-data" in the working directory for data and no tenant. The
// error is a Problems that names the flags --to, --listen, --data and --tenant.
func Single(to, listen, data, tenant string) (*Config, error) {
	d := &decoder{marks: map[string]*mark{}}
	c, site, upstream := Default(), DefaultSite(), &url.URL{}
	c.Listen.HTTP, c.Data = singleListen, singleData
	d.flag("--to", to, &upstream, "upstream")
	d.flag("--listen", listen, &c.Listen.HTTP, "address")
	d.flag("--data", data, &c.Data, "path")
	d.flag("--tenant", tenant, &site.Tenant, "tenant")
	if to == "" {
		d.fail("--to", &yaml.Node{}, "missing", "name the site's own server, such as http://127.0.0.1:3000")
	}
	site.Hosts, site.To = []string{"*"}, []*url.URL{upstream}
	c.Sites = []Site{site}
	c, err := d.finish(c)
	if problems, ok := err.(Problems); ok {
		for i := range problems {
			if problems[i].Key == "admin.listen" { // has no flag, so the other one is at fault
				problems[i].Key = "--listen"
			}
		}
	}
	return c, err
}

// flag stores the text of a flag in the variable that out points to, which
// keeps its value when the text is empty.
func (d *decoder) flag(name, text string, out any, is string) {
	if text == "" {
		return
	}
	d.text(name, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}, reflect.ValueOf(out).Elem(), is)
}
