# Crane's functions over the machine's cargo, its registry and one target folder that the caller names.
pkgs:
let
  inherit (pkgs) lib;
  target = builtins.getEnv "TEST_NIX_TARGET";
  # What programs of this machine are built with in place of the release profile, whose links take minutes.
  quick = builtins.getEnv "TEST_NIX_PROFILE";

  # The source stands in one place for all builds, one after another, so that the same source gives the same bytes;
  # in another one for another machine's programs, with which cargo can be busy at the same time.
  run =
    {
      pname ? "http-tunnel",
      pnameSuffix ? "",
      src,
      buildPhaseCargoCommand ? "",
      checkPhaseCargoCommand ? "",
      installPhaseCommand ? "mkdir -p $out",
      postInstall ? "",
      nativeBuildInputs ? [ ],
      preBuild ? "",
      env ? { },
      meta ? { },
      CARGO_PROFILE ? "release",
      ...
    }:
    assert target != "";
    let
      folder = "${target}/nix/${env.CARGO_BUILD_TARGET or "native"}";
    in
    pkgs.make {
      name = "${pname}${pnameSuffix}";
      inherit meta;
      env = env // {
        inherit CARGO_PROFILE;
      };
      inputs = nativeBuildInputs;
      script = ''
        mkdir -p ${folder}
        exec 9>${folder}/lock
        flock 9
        rm -rf ${folder}/source
        cp -r --no-preserve=timestamps ${src} ${folder}/source
        chmod -R u+w ${folder}/source
        cd ${folder}/source
        export CARGO_TARGET_DIR=${target} ZIG_GLOBAL_CACHE_DIR=${target}/nix/zig
        # C is compiled again when its compiler, a script in this folder, has another path.
        export CARGO_ZIGBUILD_CACHE_DIR=${target}/nix/zigbuild
        ${preBuild}
        ${buildPhaseCargoCommand}
        ${checkPhaseCargoCommand}
        ${installPhaseCommand}
        ${postInstall}
      '';
    };
  extra = args: args.cargoExtraArgs or "--locked";
  profile = "--profile $CARGO_PROFILE";
in
rec {
  inherit (pkgs) rustfmt;
  overrideToolchain = toolchain: import ./lib.nix (pkgs // { rustfmt = toolchain pkgs; });
  mkCargoDerivation = run;

  fileset.commonCargoSources =
    root: path:
    lib.hasSuffix ".rs" path || lib.hasSuffix ".toml" path || path == toString root + "/Cargo.lock";

  # Nothing is built twice in one target folder.
  buildDepsOnly = _: null;

  buildPackage =
    args:
    run (
      args
      // {
        buildPhaseCargoCommand = ''
          ${
            args.cargoBuildCommand or "cargo build --profile ${quick}"
          } ${extra args} --message-format json-render-diagnostics >$TMPDIR/log
        '';
        installPhaseCommand = ''
          mkdir -p $out/bin
          sed -nE 's/.*"executable":"([^"]+)".*/\1/p' $TMPDIR/log | xargs cp -t $out/bin
        '';
      }
    );
  cargoClippy =
    args:
    run (
      args
      // {
        pnameSuffix = "-clippy";
        buildPhaseCargoCommand = "cargo clippy ${profile} ${extra args} ${args.cargoClippyExtraArgs}";
      }
    );
  cargoDoc =
    args:
    run (
      args
      // {
        pnameSuffix = "-doc";
        buildPhaseCargoCommand = "cargo doc ${profile} ${extra args} --no-deps";
      }
    );
  cargoFmt =
    args:
    run (
      args
      // {
        pnameSuffix = "-fmt";
        buildPhaseCargoCommand = "cargo fmt -- --check";
      }
    );
  cargoTest =
    args:
    run (
      args
      // {
        pnameSuffix = "-test";
        checkPhaseCargoCommand = "cargo test ${profile} ${extra args} ${args.cargoTestExtraArgs}";
      }
    );
  devShell = pkgs.mkShell;
}
