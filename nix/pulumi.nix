# The CLI with its YAML host, and the AWS provider; not the package's 40 other providers.
{ lib, pkgs }:
pkgs.pulumi-bin.overrideAttrs (old: {
  srcs = lib.filter (src: builtins.match "pulumi-(v|resource-aws-v).*" src.name != null) old.srcs;
})
