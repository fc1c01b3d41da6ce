# `nix fmt`: the Nix files and the Rust files that git knows.
{ pkgs, craneLib }:
pkgs.writeShellApplication {
  name = "format";
  runtimeInputs = [
    craneLib.rustfmt
    pkgs.git
    pkgs.nixfmt
  ];
  text = ''
    cd "$(git rev-parse --show-toplevel)"
    git ls-files -z '*.nix' | xargs -0 nixfmt
    cargo fmt --all
  '';
}
