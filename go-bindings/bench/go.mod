module github.com/lnkeep/lnkeep/go-bindings/bench

go 1.25.0

require (
	github.com/lnkeep/lnkeep/go-bindings v0.0.0
	go.etcd.io/bbolt v1.5.0
)

require golang.org/x/sys v0.45.0 // indirect

replace github.com/lnkeep/lnkeep/go-bindings => ../
