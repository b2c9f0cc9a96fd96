{
  "targets": [
    {
      "target_name": "palisade",
      "sources": ["addon.cc", "kernel_error.cc", "monitor.cc", "ring.cc", "session.cc"],
      "include_dirs": ["../node_modules/node-addon-api", "build"],
      "libraries": ["-lbpf", "-lelf", "-lz"],
      "defines": [
        "NAPI_VERSION=9",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-fexceptions", "-Wall", "-Wextra", "-Wno-missing-field-initializers"]
    },
    {
      "target_name": "confine",
      "type": "executable",
      "sources": ["confine.cc"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-Wall", "-Wextra"]
    }
  ]
}
