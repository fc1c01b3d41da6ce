{ lib, packages }:
let
  app = package: {
    type = "app";
    program = lib.getExe package;
    meta = { inherit (package.meta) description; };
  };
  apps = lib.mapAttrs (_: app) { inherit (packages) deploy forwarder relay; };
in
apps // { default = apps.forwarder; }
