import Commands

Entry.main()
