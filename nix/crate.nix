# The crate as crane builds it: one source for the programs, one with what the tests read as well.
{
  lib,
  pkgs,
  craneLib,
}:
let
  inherit (lib) fileset;
  sources = fileset.unions [
    (craneLib.fileset.commonCargoSources ../.)
    ../src # pages are no Rust
  ];
  common = {
    src = fileset.toSource {
      root = ../.;
      fileset = sources;
    };
    strictDeps = true;
    buildInputs = lib.optionals pkgs.stdenv.hostPlatform.isDarwin [ pkgs.libiconv ];
    __darwinAllowLocalNetworking = true; # the tests speak over loopback
  };
  # What checks share: all features, and not the release profile, whose links take minutes each.
  all = common // {
    CARGO_PROFILE = "dev";
    hardeningDisable = [ "fortify" ]; # asks for optimized C, which this profile does not make
    cargoExtraArgs = "--locked --all-features";
  };
  # With what tests read beside the crate's own files.
  testSource = fileset.toSource {
    root = ../.;
    fileset = fileset.unions [
      sources
      ../docs/config.md
      ../docs/protocol.md
      ../fuzz/corpus
      (fileset.difference ../tests (
        fileset.unions [
          ../tests/nix
          ../tests/pulumi
        ]
      ))
    ];
  };
  canRun = pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform;
  only = name: "--locked --no-default-features --features ${name} --bin ${name}";
in
{
  inherit craneLib common testSource;

  checked = all // {
    src = testSource;
    cargoArtifacts = craneLib.buildDepsOnly all;
    doInstallCargoArtifacts = false; # nobody builds on a check
  };

  # A program with its own feature and no other.
  program =
    name: description:
    craneLib.buildPackage (
      common
      // {
        pname = name;
        cargoExtraArgs = only name;
        doCheck = false; # checks.tests
        nativeBuildInputs = [ pkgs.installShellFiles ];
        # The program prints them itself, where it can run.
        postInstall = lib.optionalString canRun ''
          for shell in bash fish zsh; do
            $out/bin/${name} completions $shell >${name}.$shell
          done
          installShellCompletion ${name}.{bash,fish,zsh}
          $out/bin/${name} man >${name}.1
          installManPage ${name}.1
        '';
        meta = {
          inherit description;
          license = lib.licenses.mit;
          mainProgram = name;
        };
      }
    );

  # A static program for Lambda's arm64 machines, from any machine: zig brings the C compiler, the linker and musl.
  lambda =
    name: description:
    let
      args = common // {
        pname = name;
        cargoExtraArgs = only name;
        cargoBuildCommand = "cargo zigbuild --release";
        cargoCheckCommand = "true"; # `cargo check` of the dependencies would go past zig
        doCheck = false;
        nativeBuildInputs = [ pkgs.cargo-zigbuild ];
        preBuild = ''
          export HOME=$TMPDIR ZIG_LOCAL_CACHE_DIR=$TMPDIR/zig
          export ZIG_GLOBAL_CACHE_DIR=''${ZIG_GLOBAL_CACHE_DIR:-$ZIG_LOCAL_CACHE_DIR}
        '';
        # Cargo has stripped it, and this machine's tools need not know another machine's programs.
        dontStrip = true;
        dontPatchELF = true;
        env = {
          CARGO_BUILD_TARGET = "aarch64-unknown-linux-musl";
          AWS_LC_SYS_NO_JITTER_ENTROPY = "1"; # up to a second of a cold start; the kernel's entropy is there
        };
        meta = {
          inherit description;
          license = lib.licenses.mit;
        };
      };
    in
    craneLib.buildPackage (args // { cargoArtifacts = craneLib.buildDepsOnly args; });
}
