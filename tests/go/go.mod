module mongostore.test/go

go 1.20

require github.com/gorilla/securecookie v1.1.2
