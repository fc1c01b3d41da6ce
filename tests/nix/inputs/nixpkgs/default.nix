{
  system,
  overlays ? [ ],
}:
let
  lib = import ./lib.nix;
  make = import ./make.nix { inherit lib system; };
  packages =
    make
    // {
      inherit lib system;
      stdenv.hostPlatform = {
        inherit system;
        isLinux = lib.hasSuffix "-linux" system;
        isDarwin = lib.hasSuffix "-darwin" system;
      };
      stdenv.buildPlatform.canExecute = platform: platform.system == system;
      # `withPackages` names none: the packages are those of the machine's Python.
      python3 = make.host "python3" [ "python3" ] // {
        withPackages = _: make.host "python3" [ "python3" ];
      };
    }
    // lib.mapAttrs make.host {
      actionlint = [ "actionlint" ];
      awscli2 = [ "aws" ];
      cargo-zigbuild = [ "cargo-zigbuild" ];
      chromedriver = [ "chromedriver" ];
      chromium = [ "chromium" ];
      coreutils = [ "install" ];
      curl = [ "curl" ];
      gawk = [ "awk" ];
      git = [ "git" ];
      gnugrep = [ "grep" ];
      gnused = [ "sed" ];
      go = [ "go" ];
      jre_headless = [ "java" ];
      libiconv = [ "iconv" ];
      lighttpd = [ "lighttpd" ];
      litmus = [ "litmus" ];
      maven = [ "mvn" ];
      nixfmt = [ "nixfmt" ];
      nodejs = [ "node" ];
      openssl = [ "openssl" ];
      pulumi-bin = [
        "pulumi"
        "pulumi-language-yaml"
        "pulumi-resource-aws"
      ];
      qemu = [ "qemu-aarch64" ];
      shellcheck = [ "shellcheck" ];
      wrk = [ "wrk" ];
      zip = [ "zip" ];
    };
in
builtins.foldl' (
  acc: overlay:
  let
    next = acc // overlay next acc;
  in
  next
) packages overlays
