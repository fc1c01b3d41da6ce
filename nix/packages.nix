{
  lib,
  pkgs,
  crate,
}:
let
  handler = crate.lambda "handler" "The public end as a Lambda function, for arm64";

  # The same bytes from every build: one file, one date (the first that zip knows), no owner.
  handler-zip = pkgs.runCommand "handler-zip" { nativeBuildInputs = [ pkgs.zip ]; } ''
    install -m755 ${handler}/bin/handler bootstrap
    touch -d @315532800 bootstrap
    mkdir $out
    TZ=UTC zip -X -9 $out/bootstrap.zip bootstrap
  '';

  deploy = pkgs.writeShellApplication {
    name = "deploy";
    runtimeInputs = [
      (import ./pulumi.nix { inherit lib pkgs; })
      pkgs.coreutils
      pkgs.gawk
      pkgs.git
      pkgs.gnugrep
      pkgs.gnused
    ];
    # The zip's recipe, not the zip: deploy builds it after it has refused what it must refuse.
    runtimeEnv.HANDLER_DRV = builtins.unsafeDiscardOutputDependency handler-zip.drvPath;
    text = lib.removePrefix "#!/usr/bin/env bash\n" (builtins.readFile ./deploy.sh);
    meta.description = "Puts the serverless end into an AWS account";
  };
in
{
  inherit deploy handler handler-zip;
  forwarder = crate.program "forwarder" "A public URL for the web service on your machine";
  relay = crate.program "relay" "The public end as a server of its own";
}
