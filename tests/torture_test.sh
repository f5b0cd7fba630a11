#!/bin/sh
# A sample of the fault harnesses: the same harnesses and controls as `make torture`, fewer points.
set -eu
cd "$(dirname "$0")/.."
exec sh torture/run.sh --sample
