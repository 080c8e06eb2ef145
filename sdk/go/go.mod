module tidegate/hook

go 1.24
