#!/bin/sh
# Build static/vendor/codemirror/codemirror.min.js from the pinned packages; the site itself needs neither npm nor this.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../static/vendor/codemirror
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/entry.js" "$here/package.json" "$here/package-lock.json" "$work"
cd "$work"
npm ci --no-audit --no-fund --silent
npx esbuild entry.js --bundle --minify --format=iife --target=es2020 --legal-comments=none --outfile="$out/codemirror.min.js"
cp node_modules/@codemirror/view/LICENSE "$out/LICENSE"
sha256sum "$out/codemirror.min.js"
