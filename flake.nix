{
  description = "A public URL for the web service on your machine";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    crane.url = "github:ipetkov/crane/v0.23.4";
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      crane,
      rust-overlay,
    }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
        "x86_64-darwin"
      ];
      perSystem =
        system:
        let
          pkgs = import nixpkgs {
            inherit system;
            overlays = [ rust-overlay.overlays.default ];
          };
          craneLib = (crane.mkLib pkgs).overrideToolchain (
            p: p.rust-bin.fromRustupToolchainFile ./rust-toolchain.toml
          );
          crate = import ./nix/crate.nix { inherit lib pkgs craneLib; };
          packages = import ./nix/packages.nix { inherit lib pkgs crate; };
        in
        {
          packages = packages // {
            default = packages.forwarder;
          };
          apps = import ./nix/apps.nix { inherit lib packages; };
          checks = import ./nix/checks.nix {
            inherit
              lib
              pkgs
              crate
              packages
              ;
            files = self;
          };
          devShells.default = import ./nix/shell.nix { inherit lib pkgs craneLib; };
          formatter = import ./nix/format.nix { inherit pkgs craneLib; };
        };
      outputs = lib.genAttrs systems perSystem;
    in
    lib.genAttrs [
      "packages"
      "apps"
      "checks"
      "devShells"
      "formatter"
    ] (output: lib.mapAttrs (_: of: of.${output}) outputs);
}
