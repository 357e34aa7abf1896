package configs_test

import (
	"fmt"
	"os"

	"ctlive/configs"
)

func Example() {
	c, err := configs.Load("minimal.yaml", os.LookupEnv)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Sites[0].Hosts, c.Sites[0].To, c.Sites[0].Prefix, c.Collector.MaxBody)
	// Output: [*] [http://127.0.0.1:3000] /.ctlive/ 64KiB
}

// Every mistake is named at once, with its place and its fix.
func ExampleParse() {
	_, err := configs.Parse("ctlive.yaml", []byte(`
sites:
  - host: [www.example.com]
    to: [localhost:3000]
colector: {ip: drop}
`), os.LookupEnv)
	fmt.Println(err)
	// Output:
	// ctlive.yaml:3:5: sites[0].host: unknown key; did you mean "hosts"?
	// ctlive.yaml:4:10: sites[0].to[0]: "localhost:3000" is not an http:// or https:// address; write scheme, host and port only, such as http://10.0.0.5:8080
	// ctlive.yaml:5:1: colector: unknown key; did you mean "collector"?
}
