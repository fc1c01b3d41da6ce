# What must hold. Tests that want what tests/setup installs, browsers and servers among it, are run by tests/run alone.
{
  lib,
  pkgs,
  crate,
  packages,
  files,
}:
let
  inherit (crate) craneLib checked common;

  # A few commands on the files; they may write beside them.
  check =
    name: tools: commands:
    pkgs.runCommand name { nativeBuildInputs = tools; } ''
      cp -r ${files} files
      chmod -R u+w files
      cd files
      ${commands}
      touch $out
    '';

  # Files of tests that want that.
  withTools = [
    "clients"
    "examples"
    "frameworks"
    "handler"
    "inspector"
    "standin"
    "terminal"
  ];
  # Each file of tests that cargo finds, but for those.
  testFiles = lib.subtractLists withTools (
    lib.concatLists (
      lib.mapAttrsToList (
        name: kind:
        if kind == "regular" then
          lib.optional (lib.hasSuffix ".rs" name) (lib.removeSuffix ".rs" name)
        else
          lib.optional (builtins.pathExists (../tests + "/${name}/main.rs")) name
      ) (builtins.readDir ../tests)
    )
  );
  # And of the others, the tests that speak to DynamoDB.
  skipped = [
    "http_api::"
    "function_url::"
  ]
  ++ lib.optionals pkgs.stdenv.hostPlatform.isDarwin [ "secrets::" ]; # they read /proc

  featureSets = [
    ""
    "gate"
    "relay-core"
    "relay"
    "forwarder"
    "handler"
  ];
in
{
  inherit (packages)
    deploy
    forwarder
    handler-zip
    relay
    ;

  fmt = craneLib.cargoFmt { inherit (common) src; };

  clippy = craneLib.cargoClippy (
    checked // { cargoClippyExtraArgs = "--all-targets -- -D warnings"; }
  );

  doc = craneLib.cargoDoc (checked // { env.RUSTDOCFLAGS = "-D warnings"; });

  tests = craneLib.cargoTest (
    checked
    // {
      cargoTestExtraArgs = lib.concatStringsSep " " (
        [ "--lib --bins" ]
        ++ map (name: "--test ${name}") testFiles
        ++ [ "--" ]
        ++ map (name: "--skip ${name}") skipped
      );
    }
  );

  # Each feature alone, and none.
  features = craneLib.mkCargoDerivation (
    checked
    // {
      pnameSuffix = "-features";
      buildPhaseCargoCommand = lib.concatMapStrings (features: ''
        cargo clippy --locked --no-default-features --features "${features}" -- -D warnings
      '') featureSets;
    }
  );

  # Which room may know which, and what each program carries.
  layers = craneLib.mkCargoDerivation (
    common
    // {
      src = crate.testSource;
      cargoArtifacts = null;
      pnameSuffix = "-layers";
      doInstallCargoArtifacts = false;
      buildPhaseCargoCommand = "bash tests/layers";
    }
  );

  # The programs are YAML, and the handler's environment is the one that Pulumi.yaml sets. Types are checked by tests/pulumi.
  pulumi = check "pulumi" [ (pkgs.python3.withPackages (python: [ python.pyyaml ])) ] ''
    for file in Pulumi*.yaml domain/Pulumi*.yaml; do
      python3 -c 'import sys, yaml; assert isinstance(yaml.safe_load(open(sys.argv[1])), dict), sys.argv[1]' "$file"
    done
    python3 tests/pulumi/names.py src/handler/config.rs
  '';

  scripts = check "scripts" [ pkgs.shellcheck ] ''
    grep -rlE --null '^#!.*\b(ba)?sh$' . | xargs -0 shellcheck
  '';

  nix-format = check "nix-format" [ pkgs.nixfmt ] ''
    find . -name '*.nix' -print0 | xargs -0 nixfmt --check
  '';

  workflows = check "workflows" [
    pkgs.actionlint
    pkgs.shellcheck
  ] "actionlint .github/workflows/*.yml";
}
