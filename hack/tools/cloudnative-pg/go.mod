// Pins CloudNativePG, whose module carries its CRDs. Nothing of it is built or linked: the tests of internal/database/cloudnativepg read the files.
module github.com/beanpod-dev/beanpod/hack/tools/cloudnative-pg

go 1.26.8

require github.com/cloudnative-pg/cloudnative-pg v1.30.0
