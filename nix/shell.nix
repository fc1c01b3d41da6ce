# Every tool that README.md, docs and tests name, on machines that have it.
{
  lib,
  pkgs,
  craneLib,
}:
craneLib.devShell {
  packages = [
    (import ./pulumi.nix { inherit lib pkgs; })
    (pkgs.python3.withPackages (python: [ python.pyyaml ]))
    pkgs.actionlint
    pkgs.awscli2
    pkgs.cargo-zigbuild
    pkgs.curl
    pkgs.git
    pkgs.go
    (pkgs.lighttpd.override { enableWebDAV = true; })
    pkgs.jre_headless
    pkgs.maven
    pkgs.nixfmt
    pkgs.nodejs
    pkgs.openssl
    pkgs.shellcheck
    pkgs.wrk
    pkgs.zip
  ]
  ++ lib.optionals pkgs.stdenv.hostPlatform.isLinux [
    pkgs.chromedriver
    pkgs.chromium
    pkgs.litmus
    pkgs.qemu
  ];
}
