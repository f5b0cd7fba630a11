module github.com/lnkeep/lnkeep/go-bindings

go 1.25
