{
  inputs.nixpkgs.url = "path:/";
  outputs = _: {
    # The machine's own toolchain. Rustup reads the same file, so it is the one that the file names.
    overlays.default = _final: prev: {
      rust-bin.fromRustupToolchainFile =
        file:
        assert builtins.pathExists file;
        prev.host "rust" [
          "cargo"
          "cargo-clippy"
          "cargo-fmt"
          "clippy-driver"
          "rustc"
          "rustdoc"
          "rustfmt"
        ];
    };
  };
}
